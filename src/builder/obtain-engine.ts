// From a model to a plan for this machine: out of the cache, or built once, by whoever comes first, and kept.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writeDurably } from '../contract/durable-file.js';
import { TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import type { Precision } from '../contract/names.js';
import { ownVersion } from '../contract/own-version.js';
import type { NativeBuild, NativeLibraryOptions } from '../native/addon.js';
import { unhindered } from '../native/receiver.js';
import type { BuildLock } from './build-lock.js';
import type { CompleteBuildOptions } from './build-options.js';
import { type BuildTarget, findTarget, majorOf } from './build-target.js';
import type { BuildableModel } from './buildable-model.js';
import { EngineCache } from './engine-cache.js';
import { type EngineKey, type EngineRecord, engineKey, entryName, namePrefix } from './engine-record.js';
import { buildPlan, calledOff } from './native-build.js';
import { chooseOnnx, type OnnxSource } from './onnx-source.js';
import type { OnBuildProgress } from './progress.js';
import { temporaryPlan } from './temporary-plan.js';
import { readTimingCache, writeTimingCache } from './timing-cache.js';

const LOOK_AGAIN_MS = 100;

/** What engine is wanted, and how to get it. */
export interface EngineRequest {
  readonly model: BuildableModel;
  readonly precision: Precision;
  readonly verifyHash: boolean;
  readonly options: CompleteBuildOptions;
  readonly libraries: NativeLibraryOptions;
  readonly device: number;
  /** The cache's folder of engines; false keeps nothing. */
  readonly folder: string | false;
  /** A timing cache in TensorRT's own format, read and written, instead of the folder's. */
  readonly timingCacheFile?: string | undefined;
  /** Whether an engine in the cache is built again all the same. */
  readonly rebuild?: boolean;
  /** Whether a cache that cannot be written is an error; without, the engine goes on from memory, with a warning. */
  readonly mustKeep?: boolean;
  readonly log: Log;
  readonly onProgress?: OnBuildProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A plan ready to be loaded. */
export interface ObtainedEngine {
  /** Valid until `release`. */
  readonly path: string;
  /** 'nowhere': only in this process's memory. */
  readonly kept: 'cache' | 'nowhere';
  readonly from: 'cache' | 'built';
  readonly record: EngineRecord;
  release(): Promise<void>;
}

/**
 * @throws TFTError what building throws; ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_HASH, ERR_TFT_CACHE where
 *   `mustKeep` is set.
 */
export async function obtainEngine(request: EngineRequest): Promise<ObtainedEngine> {
  const { signal } = request;
  if (signal?.aborted) throw calledOff(signal);
  const order = await specify(request);
  if (request.folder === false) return inMemory(await build(order));
  return throughCache(order, new EngineCache(request.folder));
}

/**
 * The engine if the cache has it. TensorRT is not even opened where the cache has none of this model.
 *
 * @throws TFTError as `obtainEngine`, but for what building throws.
 */
export async function findCached(request: EngineRequest): Promise<ObtainedEngine | undefined> {
  const { model, precision, folder } = request;
  if (folder === false) return undefined;
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) return undefined;
  const silent = { ...request, log: () => {} };
  const source = await chooseOnnx(model, { precision, verifyHash: false, major: 10 }, silent.log);
  const prefix = namePrefix({ onnx: source.sha256, precision });
  if (!names.some((name) => name.startsWith(prefix))) return undefined;
  const { key } = await specify(silent);
  const found = await new EngineCache(folder).find(key);
  return found && 'path' in found ? kept(found.path, 'cache', found.record) : undefined;
}

/** A request with all that its key depends on. */
interface Order extends EngineRequest {
  readonly target: BuildTarget;
  readonly source: OnnxSource;
  readonly key: EngineKey;
  readonly name: string;
}

async function specify(request: EngineRequest): Promise<Order> {
  const { model, precision, verifyHash, options, libraries, device, log } = request;
  const target = await findTarget(libraries, device);
  const source = await chooseOnnx(model, { precision, verifyHash, major: majorOf(target) }, log);
  let key: EngineKey;
  try {
    key = await engineKey(target, source, options);
  } catch (cause) {
    throw new TFTError('ERR_TFT_OPTION', `a plugin cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { ...request, target, source, key, name: entryName(key) };
}

async function throughCache(order: Order, cache: EngineCache): Promise<ObtainedEngine> {
  const { key, log } = order;
  const cached = order.rebuild ? undefined : await readable(order, () => cache.find(key));
  if (cached && 'path' in cached) return kept(cached.path, 'cache', cached.record);
  if (cached)
    log({ level: 'warn', message: `the cached engine ${order.name} cannot be trusted: ${cached.damage}` });

  const lock = await waitForTurn(order, cache);
  if (lock && 'path' in lock) return kept(lock.path, 'cache', lock.record);
  try {
    const built = await build(order, cache.folder);
    try {
      if (lock === undefined) return await inMemory(built);
      return await save(order, cache, built);
    } catch (error) {
      if (order.mustKeep || !isOfCache(error)) throw error;
      log({ level: 'warn', message: `${error.message}; the engine is built and runs, but is not kept` });
      return await inMemory(built);
    }
  } finally {
    await lock?.release().catch(() => {});
  }
}

/** The lock of the engine; the engine, when another has built it meanwhile; undefined when nothing can be kept. */
async function waitForTurn(
  order: Order,
  cache: EngineCache,
): Promise<BuildLock | { path: string; record: EngineRecord } | undefined> {
  const { key, name, log, signal, onProgress } = order;
  let waiting: string | undefined;
  for (;;) {
    if (signal?.aborted) throw calledOff(signal);
    let lock: Awaited<ReturnType<EngineCache['tryLock']>>;
    try {
      lock = await cache.tryLock(name);
    } catch (error) {
      if (order.mustKeep || !isOfCache(error)) throw error;
      log({ level: 'warn', message: `${error.message}; the engine is built all the same, but not kept` });
      return undefined;
    }
    if ('release' in lock) {
      // Whoever had the lock until now may have left the engine.
      const found =
        order.rebuild && waiting === undefined ? undefined : await readable(order, () => cache.find(key));
      if (found && 'path' in found) {
        await lock.release();
        return found;
      }
      if (found) {
        log({
          level: 'warn',
          message: `removing the cached engine ${name} (${found.damage}); it is built again`,
        });
        await cache.remove(name).catch(() => {});
      }
      return lock;
    }
    const who = `process ${lock.heldBy?.pid ?? '(unknown)'}`;
    if (waiting !== who) {
      waiting = who;
      log({ level: 'info', message: `${who} is building this engine; waiting for it` });
    }
    if (onProgress) unhindered(() => onProgress({ stage: 'waiting', phase: who, share: 0 }));
    await pause(LOOK_AGAIN_MS, undefined, signal ? { signal } : {}).catch(() => {});
  }
}

interface Built extends NativeBuild {
  readonly record: EngineRecord;
}

async function build(order: Order, folder?: string): Promise<Built> {
  const { model, source, target, log, key } = order;
  const timingCache = await timingCacheFor(order, folder);
  const how = source.stronglyTyped ? '' : ', where TensorRT sees fit';
  log({
    level: 'info',
    message: `building an engine in ${source.precision}${how} from ${source.path} by TensorRT ${target.tensorrt} for ${target.gpu}`,
  });
  const begin = performance.now();
  const built = await buildPlan({ ...order, timingCache });
  const buildSeconds = Math.round(performance.now() - begin) / 1000;
  log({ level: 'info', message: `built in ${buildSeconds.toFixed(1)} s, ${built.plan.length} bytes` });
  if (order.timingCacheFile !== undefined) await writeTimings(order.timingCacheFile, built.timingCache);
  const sha256 = createHash('sha256').update(built.plan).digest('hex');
  const record: EngineRecord = {
    key,
    model: model.name,
    onnxName: basename(source.path),
    onnxBytes: source.bytes,
    plan: { bytes: built.plan.length, sha256 },
    created: new Date().toISOString(),
    buildSeconds,
    builtBy: `tft-tensorrt ${ownVersion()}`,
  };
  return { ...built, record };
}

async function timingCacheFor(order: Order, folder: string | undefined): Promise<Uint8Array | undefined> {
  const { timingCacheFile, target } = order;
  if (timingCacheFile === undefined)
    return folder === undefined ? undefined : readTimingCache(folder, target);
  try {
    return new Uint8Array(await readFile(timingCacheFile));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TFTError('ERR_TFT_FILE', `${timingCacheFile} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function writeTimings(path: string, timings: Uint8Array): Promise<void> {
  try {
    await writeDurably(path, timings);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

async function save(order: Order, cache: EngineCache, built: Built): Promise<ObtainedEngine> {
  const { onProgress, log, target } = order;
  if (onProgress) unhindered(() => onProgress({ stage: 'saving', phase: cache.folder, share: 1 }));
  const { path, record } = await cache.publish(built.record, built.plan);
  try {
    if (built.timingCache.length > 0) await writeTimingCache(cache.folder, target, built.timingCache);
  } catch (error) {
    log({ level: 'warn', message: `the timing cache is not kept: ${(error as Error).message}` });
  }
  return kept(path, 'built', record);
}

function kept(path: string, from: 'cache' | 'built', record: EngineRecord): ObtainedEngine {
  return { path, from, record, kept: 'cache', release: async () => {} };
}

async function inMemory({ plan, record }: Built): Promise<ObtainedEngine> {
  const { path, release } = await temporaryPlan(plan);
  return { path, release, record, from: 'built', kept: 'nowhere' };
}

/** A cache that cannot be read holds nothing, unless it must keep what is built. */
async function readable<T>(order: Order, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (order.mustKeep || !isOfCache(error)) throw error;
    order.log({ level: 'warn', message: error.message });
    return undefined;
  }
}

function isOfCache(error: unknown): error is TFTError {
  return error instanceof TFTError && error.code === 'ERR_TFT_CACHE';
}
