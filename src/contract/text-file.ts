// Reading small text files that people write: of a size that is read in one go, and without the byte order mark that
// Notepad and PowerShell begin a file with.
import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** No model.json, map or settings come near it; a damaged path or a device would fill the memory. */
const MOST_BYTES = 16 * 1024 * 1024;

/** @throws the system's error; RangeError for a file that is too large. */
export async function readTextFile(path: string): Promise<string> {
  const file = await open(path);
  try {
    // As far as the limit and no further, whatever the file says of its size.
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of file.createReadStream({ end: MOST_BYTES, autoClose: false })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    if (size > MOST_BYTES) throw tooLarge(path);
    return withoutMark(Buffer.concat(chunks).toString());
  } finally {
    await file.close();
  }
}

/** As readTextFile, at once. */
export function readTextFileSync(path: string): string {
  if (statSync(path).size > MOST_BYTES) throw tooLarge(path);
  return withoutMark(readFileSync(path, 'utf8'));
}

/** A byte order mark is no part of the text. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function tooLarge(path: string): RangeError {
  return new RangeError(`${path} is larger than ${MOST_BYTES / 1024 / 1024} MiB`);
}
