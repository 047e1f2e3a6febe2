// Obtains the plan of a model for this machine: from the cache, or built by the first that needs it and then cached.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writeDurably } from '../contract/durable-file.js';
import { TFTError } from '../contract/errors.js';
import { ownVersion } from '../contract/own-version.js';
import type { NativeBuild } from '../native/addon.js';
import { callSafely } from '../native/receiver.js';
import type { BuildLock } from './build-lock.js';
import type { CompleteBuildOptions } from './build-options.js';
import { type BuildTarget, findRtxTarget, findTarget, isStronglyTypedOnly } from './build-target.js';
import { foreignHand } from './cache-folder.js';
import { type CachedEngine, EngineCache } from './engine-cache.js';
import { type EngineKey, type EngineRecord, engineKey, entryName, namePrefix } from './engine-record.js';
import {
  buildOptionsOfRequest,
  deviceOfRequest,
  type EngineRequest,
  folderOfRequest,
  precisionOfRequest,
} from './engine-request.js';
import { buildPlan, cancelledBuild } from './native-build.js';
import { chooseOnnx, type OnnxSource } from './onnx-source.js';
import { checkRecorded } from './recorded-check.js';
import { computeCapabilities } from './rtx-targets.js';
import { temporaryPlan } from './temporary-plan.js';
import { readTimingCache, writeTimingCache } from './timing-cache.js';

const LOOK_AGAIN_MS = 100;

/** How an engine is obtained. The defaults are false. */
export interface ObtainOptions {
  /** A timing cache in TensorRT's own format that is read and written instead of the cache folder's. */
  readonly timingCacheFile?: string | undefined;
  /** Whether to build even if the cache has the engine. */
  readonly rebuild?: boolean;
  /** Whether it is an error if the cache cannot be written. Otherwise it is a warning, and the engine stays in memory. */
  readonly mustKeep?: boolean;
}

/** A plan ready to be loaded. */
export interface ObtainedEngine {
  /** Valid until `release`. */
  readonly path: string;
  /** 'nowhere' means that it is only in this process's memory. */
  readonly kept: 'cache' | 'nowhere';
  readonly from: 'cache' | 'built';
  readonly record: EngineRecord;
  release(): Promise<void>;
}

/**
 * @throws TFTError as building; ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_HASH; ERR_TFT_CACHE with `mustKeep`.
 */
export async function obtainEngine(request: EngineRequest, how: ObtainOptions = {}): Promise<ObtainedEngine> {
  const { signal } = request;
  if (signal?.aborted) throw cancelledBuild(signal);
  const resolved = await resolveRequest(request, how);
  const folder = folderOfRequest(request, how.mustKeep);
  if (folder === undefined) return inMemory(await checked(resolved, await build(resolved)));
  return throughCache(resolved, new EngineCache(folder));
}

/**
 * The engine, if the cache has it. TensorRT is not opened unless the cache has an engine of this model.
 *
 * @throws TFTError as `obtainEngine`, except the errors of building.
 */
export async function findCached(request: EngineRequest): Promise<ObtainedEngine | undefined> {
  const folder = folderOfRequest({ ...request, log: () => {} });
  if (folder === undefined) return undefined;
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) return undefined;
  const silent = { ...request, log: () => {} };
  const precision = precisionOfRequest(request);
  const source = await chooseOnnx(
    request.model,
    { precision, verifyHash: false, stronglyTypedOnly: false },
    silent.log,
  );
  const prefix = namePrefix({ onnx: source.sha256, precision });
  if (!names.some((name) => name.startsWith(prefix))) return undefined;
  const resolved = await resolveRequest(silent, {});
  const cache = new EngineCache(folder);
  const found = await cache.findToRun(resolved.key);
  if (found === undefined || !('path' in found)) return undefined;
  await warnOfOthers(request, found.path);
  return fromCache({ ...resolved, log: request.log }, cache, found);
}

/** A request with everything that its key depends on. */
interface ResolvedRequest extends EngineRequest, ObtainOptions {
  readonly target: BuildTarget;
  readonly source: OnnxSource;
  readonly options: CompleteBuildOptions;
  readonly key: EngineKey;
  readonly name: string;
}

async function resolveRequest(request: EngineRequest, how: ObtainOptions): Promise<ResolvedRequest> {
  const { model, verifyHash, tensorrt, log } = request;
  const options = buildOptionsOfRequest(request);
  const target =
    request.targets === undefined
      ? await findTarget(tensorrt ?? {}, deviceOfRequest(request))
      : await findRtxTarget(tensorrt ?? {}, computeCapabilities(request.targets));
  const precision = precisionOfRequest(request);
  const stronglyTypedOnly = isStronglyTypedOnly(target);
  const source = await chooseOnnx(model, { precision, verifyHash, stronglyTypedOnly }, log);
  let key: EngineKey;
  try {
    key = await engineKey(target, source, options);
  } catch (cause) {
    throw new TFTError('ERR_TFT_OPTION', `a plugin cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { ...request, ...how, target, source, options, key, name: entryName(key) };
}

async function throughCache(request: ResolvedRequest, cache: EngineCache): Promise<ObtainedEngine> {
  const { key, log } = request;
  const cached = request.rebuild ? undefined : await readable(request, () => cache.findToRun(key));
  if (cached && 'path' in cached) {
    await warnOfOthers(request, cached.path);
    return fromCache(request, cache, cached);
  }
  if (cached)
    log({ level: 'warn', message: `the cached engine ${request.name} cannot be trusted: ${cached.damage}` });

  const lock = await waitForTurn(request, cache);
  if (lock && 'path' in lock) return fromCache(request, cache, lock);
  try {
    const keptAs = lock && cache.planPath(request.name);
    const built = await checked(request, await build(request, cache.folder), keptAs);
    try {
      if (lock === undefined) return await inMemory(built);
      return await save(request, cache, built);
    } catch (error) {
      if (request.mustKeep || !isOfCache(error)) throw error;
      log({ level: 'warn', message: `${error.message}; the engine is built and runs, but is not kept` });
      return await inMemory(built);
    }
  } finally {
    await lock?.release().catch(() => {});
  }
}

/** Takes an engine from the cache; checks it now if it was never checked. */
async function fromCache(
  request: ResolvedRequest,
  cache: EngineCache,
  { path, record }: CachedEngine,
): Promise<ObtainedEngine> {
  if (isForElsewhere(request)) return kept(path, 'cache', record);
  try {
    const noted = await checkRecorded({ path, name: path, record }, request);
    if (noted !== record) {
      await cache.note(noted).catch((error: Error) => {
        request.log({ level: 'warn', message: `the result of the check is not stored: ${error.message}` });
      });
    }
    return kept(path, 'cache', noted);
  } catch (error) {
    if (error instanceof TFTError && error.code === 'ERR_TFT_PLAN_WRONG') {
      await cache.remove(entryName(record.key)).catch(() => {});
    }
    throw error;
  }
}

/** Whether the engine is for named GPUs, which need not be here: it is checked where it is loaded. Logs that. */
function isForElsewhere({ target, log }: ResolvedRequest): boolean {
  if (target.targets === undefined) return false;
  log({
    level: 'warn',
    message: `the engine is not checked: it is for ${target.gpu}; loading it there checks it`,
  });
  return true;
}

/** Checks a plan that was just built. A plan that forecasts wrongly is not cached. */
async function checked(request: ResolvedRequest, built: Built, keptAs?: string): Promise<Built> {
  if (isForElsewhere(request)) return built;
  const { path, release } = await temporaryPlan(built.plan);
  try {
    return {
      ...built,
      record: await checkRecorded({ path, name: 'the engine built', record: built.record, keptAs }, request),
    };
  } finally {
    await release();
  }
}

/** Waits for the engine's lock. @returns the lock; the engine if another process built it; undefined without a cache. */
async function waitForTurn(
  request: ResolvedRequest,
  cache: EngineCache,
): Promise<BuildLock | { path: string; record: EngineRecord } | undefined> {
  const { key, name, log, signal, onProgress } = request;
  let waiting: string | undefined;
  for (;;) {
    if (signal?.aborted) throw cancelledBuild(signal);
    let lock: Awaited<ReturnType<EngineCache['tryLock']>>;
    try {
      lock = await cache.tryLock(name);
    } catch (error) {
      if (request.mustKeep || !isOfCache(error)) throw error;
      log({ level: 'warn', message: `${error.message}; the engine is built anyway, but not kept` });
      return undefined;
    }
    if ('release' in lock) {
      // The previous holder of the lock may have built the engine.
      const found =
        request.rebuild && waiting === undefined ? undefined : await readable(request, () => cache.find(key));
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
    if (onProgress) callSafely(() => onProgress({ stage: 'waiting', phase: who, share: 0 }));
    await pause(LOOK_AGAIN_MS, undefined, signal ? { signal } : {}).catch(() => {});
  }
}

/** The hash in the record detects damage. Against other users only the file system's permissions protect. */
async function warnOfOthers({ log }: EngineRequest, plan: string): Promise<void> {
  for (const path of [dirname(plan), plan]) {
    const reason = await foreignHand(path);
    if (reason === undefined) continue;
    const message = `${reason}: a plan runs as code, so a user who can change it controls this process; keep the cache to one user (chmod 700)`;
    log({ level: 'warn', message });
    return;
  }
}

interface Built extends NativeBuild {
  readonly record: EngineRecord;
}

async function build(request: ResolvedRequest, folder?: string): Promise<Built> {
  const { model, source, target, log, key } = request;
  const timingCache = await timingCacheFor(request, folder);
  const how = source.stronglyTyped ? '' : ' where TensorRT chooses it';
  log({
    level: 'info',
    message:
      `building an engine in ${source.precision}${how} from ${source.path} by TensorRT ` +
      `${target.rtx ? 'for RTX ' : ''}${target.tensorrt} for ${target.gpu}`,
  });
  const begin = performance.now();
  const built = await buildPlan({
    ...request,
    libraries: { ...request.tensorrt, rtx: target.rtx },
    targets: target.targets,
    device: deviceOfRequest(request),
    timingCache,
  });
  const buildSeconds = Math.round(performance.now() - begin) / 1000;
  const parts = built.fused.length > 0 ? `; kernels of tft-tensorrt run ${built.fused.join(', ')}` : '';
  log({
    level: 'info',
    message: `built in ${buildSeconds.toFixed(1)} s, ${built.plan.length} bytes${parts}`,
  });
  if (request.timingCacheFile !== undefined) await writeTimings(request.timingCacheFile, built.timingCache);
  const sha256 = createHash('sha256').update(built.plan).digest('hex');
  const record: EngineRecord = {
    key,
    model: model.name,
    onnxName: basename(source.path),
    onnxBytes: source.bytes,
    plan: { bytes: built.plan.length, sha256 },
    ...(key.kernels !== 'none' &&
      target.kernels && { kernels: { ...target.kernels, fused: [...built.fused] } }),
    ...(target.targets !== undefined && {
      network: countTypes(built.network),
      tensors: built.tensors.map(({ shape, ...tensor }) => ({ ...tensor, shape: [...shape] })),
    }),
    created: new Date().toISOString(),
    buildSeconds,
    builtBy: `tft-tensorrt ${ownVersion()}`,
  };
  return { ...built, record };
}

/** How many of a network's layers give each type. */
function countTypes(layers: NativeBuild['network']): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of layers) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

async function timingCacheFor(
  request: ResolvedRequest,
  folder: string | undefined,
): Promise<Uint8Array | undefined> {
  const { timingCacheFile, target } = request;
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

async function save(request: ResolvedRequest, cache: EngineCache, built: Built): Promise<ObtainedEngine> {
  const { onProgress, log, target } = request;
  if (onProgress) callSafely(() => onProgress({ stage: 'saving', phase: cache.folder, share: 1 }));
  const { path, record } = await cache.publish(built.record, built.plan);
  try {
    if (built.timingCache.length > 0) await writeTimingCache(cache.folder, target, built.timingCache);
  } catch (error) {
    log({ level: 'warn', message: `the timing cache is not stored: ${(error as Error).message}` });
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

/** Reads the cache. An unreadable cache counts as empty, unless the engine must be kept. */
async function readable<T>(request: ResolvedRequest, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (request.mustKeep || !isOfCache(error)) throw error;
    request.log({ level: 'warn', message: error.message });
    return undefined;
  }
}

function isOfCache(error: unknown): error is TFTError {
  return error instanceof TFTError && error.code === 'ERR_TFT_CACHE';
}
