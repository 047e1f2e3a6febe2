// TensorRT's timing caches, stored beside the engines: its measurements of layers, which make later builds of similar
// models faster. There is one file for each version, GPU and driver.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildTarget } from './build-target.js';
import { checkCacheFile, hashOf, writeCacheFile } from './cache-file.js';

/** The name of a machine's timing cache. */
export function timingCacheName(target: BuildTarget): string {
  return `timing-${hashOf(describe(target)).slice(0, 24)}.cache`;
}

/** @returns undefined if there is none that can be used. */
export async function readTimingCache(folder: string, target: BuildTarget): Promise<Uint8Array | undefined> {
  try {
    const content = checkCacheFile(await readFile(join(folder, timingCacheName(target))));
    return content?.target === describe(target) ? content.bytes : undefined;
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
  await writeCacheFile(join(folder, timingCacheName(target)), describe(target), bytes);
}

function describe({ tensorrt, gpu, computeCapability, cuda, driver }: BuildTarget): string {
  return `TensorRT ${tensorrt}, ${gpu} (${computeCapability}), CUDA ${cuda}, driver ${driver || 'unknown'}`;
}
