// The run-time caches of TensorRT for RTX, stored beside the engines: the kernels that it compiled for a plan on the GPU
// that runs it, which save the next start the compiling. There is one file for each kind of GPU. Nothing that is wrong
// with it stops an engine from loading: without it the kernels are compiled again.
import { readFile } from 'node:fs/promises';
import { findTarget } from './build-target.js';
import { checkCacheFile, hashOf, writeCacheFile } from './cache-file.js';
import { foreignHand } from './cache-folder.js';
import type { EngineRecord } from './engine-record.js';
import { deviceOfRequest, type EngineRequest } from './engine-request.js';

/** The run-time cache of one plan on this machine's GPU. */
export interface RuntimeCache {
  /** What an earlier start left; undefined if there is nothing that can be used. */
  readonly content: Uint8Array | undefined;
  /** Stores what the engine had at its end. A failure is logged. */
  keep(bytes: Uint8Array): Promise<void>;
}

const GPU_DIGITS = 16;
const EXTENSION = '.runtime';
const RUNTIME_CACHE = new RegExp(`^(.+)\\.[0-9a-f]{${GPU_DIGITS}}\\${EXTENSION}$`);

/** The name of the plan, without extension, of which a file's name says that it is the run-time cache. */
export function planOfRuntimeCache(name: string): string | undefined {
  return RUNTIME_CACHE.exec(name)?.[1];
}

/**
 * Opens the run-time cache beside a plan.
 *
 * @returns undefined for a plan that is not TensorRT for RTX's or only in memory, or if the request is not to cache.
 * @throws TFTError as {@link findTarget}.
 */
export async function openRuntimeCache(
  plan: string,
  record: EngineRecord | undefined,
  request: EngineRequest,
): Promise<RuntimeCache | undefined> {
  if (record?.key.rtx === undefined || request.cache === false || plan.startsWith('/proc/')) return undefined;
  const { log, tensorrt } = request;
  const {
    gpu,
    computeCapability,
    tensorrt: version,
  } = await findTarget({ ...tensorrt, rtx: true }, deviceOfRequest(request));
  const machine = `${gpu} (${computeCapability})`;
  const path = `${plan.replace(/\.[^./]*$/, '')}.${hashOf(machine).slice(0, GPU_DIGITS)}${EXTENSION}`;
  // What else it depends on, such as the driver, TensorRT compares itself.
  const target = `TensorRT for RTX ${version}, ${machine}, plan ${record.plan.sha256}`;
  const content = await read(path, target, log);
  return {
    content,
    keep: async (bytes) => {
      if (bytes.length === 0 || (content && Buffer.compare(content, bytes) === 0)) return;
      try {
        await writeCacheFile(path, target, bytes);
      } catch (error) {
        log({
          level: 'info',
          message: `the run-time cache ${path} is not stored, so the next start compiles again: ${(error as Error).message}`,
        });
      }
    },
  };
}

async function read(
  path: string,
  target: string,
  log: EngineRequest['log'],
): Promise<Uint8Array | undefined> {
  let why: string | undefined;
  try {
    const file = await readFile(path);
    // Kernels are code. The plan beside it is hashed in its record; this file has only its own hash.
    why = await foreignHand(path);
    const found = checkCacheFile(file);
    if (found === undefined) why ??= 'it is damaged';
    else if (found.target !== target) why ??= `it is of ${found.target}`;
    if (why === undefined) return found?.bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    why = (error as Error).message;
  }
  log({ level: 'warn', message: `the run-time cache ${path} is not used: ${why}` });
  return undefined;
}
