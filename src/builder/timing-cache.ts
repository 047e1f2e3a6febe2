// TensorRT's timing caches, stored beside the engines: its measurements of layers, which make later builds of similar
// models faster. There is one file for each version, GPU and driver: a line of JSON with the hash, then the bytes.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../contract/durable-file.js';
import type { BuildTarget } from './build-target.js';

const headSchema = z.object({ target: z.string(), bytes: z.int(), sha256: z.string() });
const NEWLINE = 10;

/** The name of a machine's timing cache. */
export function timingCacheName(target: BuildTarget): string {
  return `timing-${hashOf(describe(target)).slice(0, 24)}.cache`;
}

/** @returns undefined if there is none that can be used. */
export async function readTimingCache(folder: string, target: BuildTarget): Promise<Uint8Array | undefined> {
  try {
    const file = await readFile(join(folder, timingCacheName(target)));
    const content = checkTimingCache(file);
    return content?.target === describe(target) ? new Uint8Array(content.bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** The contents of a timing cache's file; undefined if it is damaged. */
export function checkTimingCache(file: Buffer): { target: string; bytes: Uint8Array } | undefined {
  const end = file.indexOf(NEWLINE);
  if (end < 0) return undefined;
  try {
    const head = headSchema.parse(JSON.parse(file.toString('utf8', 0, end)));
    const bytes = file.subarray(end + 1);
    return bytes.length === head.bytes && hashOf(bytes) === head.sha256
      ? { target: head.target, bytes }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces a timing cache. @throws what the file system throws. */
export async function writeTimingCache(
  folder: string,
  target: BuildTarget,
  bytes: Uint8Array,
): Promise<void> {
  const head = { target: describe(target), bytes: bytes.length, sha256: hashOf(bytes) };
  const path = join(folder, timingCacheName(target));
  await writeDurably(path, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]));
}

function describe({ tensorrt, gpu, computeCapability, cuda, driver }: BuildTarget): string {
  return `TensorRT ${tensorrt}, ${gpu} (${computeCapability}), CUDA ${cuda}, driver ${driver || 'unknown'}`;
}

function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
