// The SHA-256 of a file, without holding it in memory.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** @returns 64 hexadecimal digits. @throws what reading the file throws. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
