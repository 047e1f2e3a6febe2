// Reads small text files written by people: with a limit on the size, and without the byte order mark that Notepad and
// PowerShell write.
import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** Far larger than any model.json, map or settings. Without a limit, a wrong path (a device) would fill the memory. */
const MAX_BYTES = 16 * 1024 * 1024;

/** @throws the system's error; RangeError for a file that is too large. */
export async function readTextFile(path: string): Promise<string> {
  const file = await open(path);
  try {
    // Stop at the limit, whatever size the file reports.
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of file.createReadStream({ end: MAX_BYTES, autoClose: false })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    if (size > MAX_BYTES) throw tooLarge(path);
    return withoutMark(Buffer.concat(chunks).toString());
  } finally {
    await file.close();
  }
}

/** Like readTextFile, but synchronous. */
export function readTextFileSync(path: string): string {
  if (statSync(path).size > MAX_BYTES) throw tooLarge(path);
  return withoutMark(readFileSync(path, 'utf8'));
}

/** Removes a byte order mark. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function tooLarge(path: string): RangeError {
  return new RangeError(`${path} is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
}
