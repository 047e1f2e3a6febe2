// Chooses the plan that the TensorRT backend runs: an existing file that fits this machine and model, one from the cache,
// or one that is built now.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { findTarget } from '../../builder/build-target.js';
import { type EngineRecord, readRecord, recordPathOf } from '../../builder/engine-record.js';
import { deviceOfRequest } from '../../builder/engine-request.js';
import { sha256OfFile } from '../../builder/file-hash.js';
import { findCached, type ObtainedEngine, obtainEngine } from '../../builder/obtain-engine.js';
import { precisionOf } from '../../builder/plan-file.js';
import { checkPlanFile } from '../../builder/plan-file-check.js';
import { openRuntimeCache } from '../../builder/runtime-cache.js';
import { staleness } from '../../builder/staleness.js';
import { TFTError } from '../../contract/errors.js';
import type { Log } from '../../contract/log.js';
import type { LoadRequest } from '../load-request.js';
import type { NativeBackend } from '../native-backend.js';
import { loadPlan } from './backend.js';

/**
 * Loads a plan file.
 *
 * @throws TFTError ERR_TFT_ENGINE_STALE if its record says that it was built for another machine or model,
 *   ERR_TFT_PLAN_WRONG if it forecasts the bundle's sample windows wrongly, and as {@link loadPlan}.
 */
export async function loadPlanFile(plan: string, request: LoadRequest): Promise<NativeBackend> {
  const { precision } = request;
  const record = existsSync(plan) ? await recordOf(plan, request.log) : undefined;
  const declared = record?.key.precision ?? precisionOf(plan);
  if (precision !== undefined && declared !== undefined && precision !== declared) {
    const by = record ? 'its record' : 'its name';
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${plan} computes in ${declared} by ${by}, not in ${precision}`,
    );
  }
  if (record) await refuseStale(plan, record, request);
  const computes = declared ?? precision ?? 'unknown';
  const checked = await checkPlanFile(plan, record, computes, request);
  const rtx = record?.key.rtx !== undefined;
  const runtimeCache = await openRuntimeCache(plan, record, request);
  return loadPlan({ path: plan, engine: 'file', precision: computes, checked, rtx, runtimeCache }, request);
}

/** Loads a plan file. If TensorRT rejects it and there is an ONNX file, builds another. */
export async function loadPlanOrRebuild(plan: string, request: LoadRequest): Promise<NativeBackend> {
  try {
    return await loadPlanFile(plan, request);
  } catch (error) {
    const { model, log } = request;
    if (!isOutdated(error)) throw error;
    if (request.build === false || !existsSync(model.onnxPath)) throw error;
    const record = await recordOf(plan, () => {});
    const precision = request.precision ?? record?.key.precision ?? precisionOf(plan);
    log({
      level: 'warn',
      message: `${named(plan, error)}; using another engine, from the cache or built from ${model.onnxPath}`,
    });
    return loadBuilt({ ...request, precision });
  }
}

/** Loads an engine from the cache, or builds it. @throws TFTError as `obtainEngine` and loading. */
export async function loadBuilt(request: LoadRequest): Promise<NativeBackend> {
  const engine = await obtainEngine(request);
  try {
    return await runObtained(engine, request);
  } catch (error) {
    if (engine.from !== 'cache' || !(error instanceof TFTError) || error.code !== 'ERR_TFT_PLAN_INVALID')
      throw error;
    // The file matches its hash, yet TensorRT rejects it; or it was removed a moment ago.
    const message = `${engine.path}: ${error.message}; the cached engine is built again`;
    request.log({ level: 'warn', message });
    return await runObtained(await obtainEngine(request, { rebuild: true }), request);
  }
}

/** Loads an engine from the cache. @returns undefined if the cache does not have it. */
export async function loadCached(request: LoadRequest): Promise<NativeBackend | undefined> {
  const engine = await findCached(request);
  return engine && runObtained(engine, request);
}

/** Whether an error says that a plan does not fit this machine or model, so that another plan may. */
function isOutdated(error: unknown): error is TFTError {
  return error instanceof TFTError && ['ERR_TFT_ENGINE_STALE', 'ERR_TFT_PLAN_INVALID'].includes(error.code);
}

async function recordOf(plan: string, log: Log): Promise<EngineRecord | undefined> {
  const record = await readRecord(recordPathOf(plan));
  if (record === undefined) return undefined;
  if (typeof record !== 'string' && record.plan.sha256 === (await sha256OfFile(plan))) return record;
  const why = typeof record === 'string' ? record : 'it is of another plan';
  log({ level: 'warn', message: `${recordPathOf(plan)} is not used: ${why}` });
  return undefined;
}

async function refuseStale(plan: string, record: EngineRecord, request: LoadRequest): Promise<void> {
  const { model, tensorrt, verifyHash } = request;
  const rtx = record.key.rtx !== undefined;
  const target = await findTarget({ ...tensorrt, rtx }, deviceOfRequest(request));
  const differences = staleness(record, target, verifyHash ? model : undefined);
  if (differences.length === 0) return;
  const cure = existsSync(model.onnxPath)
    ? "backend 'tensorrt' builds another, as does 'tft build'"
    : `there is no ONNX file in ${dirname(plan)} to build another from: copy the whole bundle here`;
  throw new TFTError(
    'ERR_TFT_ENGINE_STALE',
    `${plan} does not fit here: ${differences.join('; ')}; ${cure}`,
    {
      details: { plan, differences },
    },
  );
}

/** An error's message, with the plan's path if it does not name it. */
function named(plan: string, { message }: TFTError): string {
  return message.includes(plan) ? message : `${plan}: ${message}`;
}

async function runObtained(engine: ObtainedEngine, request: LoadRequest): Promise<NativeBackend> {
  try {
    const { path, from, kept, record } = engine;
    const origin = kept === 'nowhere' ? `${request.model.onnxPath} (built just now, not kept)` : path;
    return await loadPlan(
      {
        path,
        origin,
        engine: from,
        precision: record.key.precision,
        checked: record.check !== undefined,
        rtx: record.key.rtx !== undefined,
        runtimeCache: await openRuntimeCache(path, record, request),
      },
      request,
    );
  } finally {
    await engine.release();
  }
}
