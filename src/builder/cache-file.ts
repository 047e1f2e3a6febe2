// A cache of TensorRT's as a file: a line of JSON that says of which machine it is, and its hash, then the bytes.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { writeDurably } from '../contract/durable-file.js';

const headSchema = z.object({ target: z.string(), bytes: z.int(), sha256: z.string() });
const NEWLINE = 10;

/** The content of such a file; undefined if it is damaged. */
export function checkCacheFile(file: Buffer): { target: string; bytes: Uint8Array } | undefined {
  const end = file.indexOf(NEWLINE);
  if (end < 0) return undefined;
  try {
    const head = headSchema.parse(JSON.parse(file.toString('utf8', 0, end)));
    const bytes = file.subarray(end + 1);
    return bytes.length === head.bytes && hashOf(bytes) === head.sha256
      ? { target: head.target, bytes: new Uint8Array(bytes) }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Writes such a file, or replaces it. @throws what the file system throws. */
export async function writeCacheFile(path: string, target: string, bytes: Uint8Array): Promise<void> {
  const head = { target, bytes: bytes.length, sha256: hashOf(bytes) };
  await writeDurably(path, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]));
}

/** SHA-256, in hexadecimal digits. */
export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
