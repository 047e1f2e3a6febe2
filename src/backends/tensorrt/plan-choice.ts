// Which plan the TensorRT backend runs: a file at hand that fits this machine and model, one out of the cache, or
// one built now.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BuildOptions, completeBuildOptions } from '../../builder/build-options.js';
import { findTarget } from '../../builder/build-target.js';
import { engineFolder } from '../../builder/cache-folder.js';
import { type EngineRecord, readRecord, recordPathOf } from '../../builder/engine-record.js';
import { sha256OfFile } from '../../builder/file-hash.js';
import {
  type EngineRequest,
  findCached,
  type ObtainedEngine,
  obtainEngine,
} from '../../builder/obtain-engine.js';
import { precisionOfOnnx } from '../../builder/onnx-source.js';
import { precisionOf } from '../../builder/plan-file.js';
import type { OnBuildProgress } from '../../builder/progress.js';
import { staleness } from '../../builder/staleness.js';
import { TFTError } from '../../contract/errors.js';
import type { Contract } from '../../contract/inputs.js';
import type { Log } from '../../contract/log.js';
import type { ModelDescription } from '../../contract/model.js';
import type { Precision } from '../../contract/names.js';
import { type PlanToRun, type PlanWishes, TensorRtBackend } from './backend.js';

/** How engines are built and kept; see LoadOptions. */
export interface EngineWishes extends PlanWishes {
  readonly precision?: Precision | undefined;
  readonly verifyHash: boolean;
  readonly cache?: string | false | undefined;
  /** false: none is built. */
  readonly build?: BuildOptions | false | undefined;
  readonly onProgress?: OnBuildProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model to run, and what is said meanwhile. */
export interface PlanContext {
  readonly model: ModelDescription;
  readonly contract: Contract;
  readonly wishes: EngineWishes;
  readonly log: Log;
}

/**
 * Loads a plan file.
 *
 * @throws TFTError ERR_TFT_ENGINE_STALE where its record says that it was built for something else, and what
 *   {@link TensorRtBackend.load} throws.
 */
export async function loadPlanFile(plan: string, context: PlanContext): Promise<TensorRtBackend> {
  const { precision: wanted } = context.wishes;
  const record = existsSync(plan) ? await recordOf(plan, context.log) : undefined;
  const told = record?.key.precision ?? precisionOf(plan);
  if (wanted !== undefined && told !== undefined && wanted !== told) {
    const by = record ? 'its record' : 'its name';
    throw new TFTError('ERR_TFT_UNSUPPORTED', `${plan} computes in ${told} by ${by}, not in ${wanted}`);
  }
  if (record) await refuseStale(plan, record, context);
  return run({ path: plan, engine: 'file', precision: told ?? wanted ?? 'unknown' }, context);
}

/** Loads a plan file, or builds another where TensorRT refuses it and there is a model to build it from. */
export async function loadPlanOrRebuild(plan: string, context: PlanContext): Promise<TensorRtBackend> {
  try {
    return await loadPlanFile(plan, context);
  } catch (error) {
    const { model, wishes, log } = context;
    if (!isOutdated(error)) throw error;
    if (wishes.build === false || !existsSync(model.onnxPath)) throw error;
    const record = await recordOf(plan, () => {});
    const precision = wishes.precision ?? record?.key.precision ?? precisionOf(plan);
    log({
      level: 'warn',
      message: `${named(plan, error)}; another engine is taken or built from ${model.onnxPath}`,
    });
    return loadBuilt({ ...context, wishes: { ...wishes, precision } });
  }
}

/** Loads an engine out of the cache, or builds it. @throws TFTError as `obtainEngine` and loading. */
export async function loadBuilt(context: PlanContext): Promise<TensorRtBackend> {
  const request = requestFor(context);
  const engine = await obtainEngine(request);
  try {
    return await runObtained(engine, context);
  } catch (error) {
    if (engine.from !== 'cache' || !(error instanceof TFTError) || error.code !== 'ERR_TFT_PLAN_INVALID')
      throw error;
    // It is whole, and TensorRT does not take it all the same; or it was removed a moment ago.
    const message = `${engine.path}: ${error.message}; the cached engine is built again`;
    context.log({ level: 'warn', message });
    return await runObtained(await obtainEngine({ ...request, rebuild: true }), context);
  }
}

/** Loads an engine out of the cache, if it is there. */
export async function loadCached(context: PlanContext): Promise<TensorRtBackend | undefined> {
  const engine = await findCached(requestFor(context));
  return engine && runObtained(engine, context);
}

/** Whether an error says that a plan is not for this machine or model, so that another may help. */
export function isOutdated(error: unknown): error is TFTError {
  return error instanceof TFTError && ['ERR_TFT_ENGINE_STALE', 'ERR_TFT_PLAN_INVALID'].includes(error.code);
}

/** The precision that is built where none is asked for: the ONNX file's own. */
export function precisionToBuild(model: ModelDescription, wanted: Precision | undefined): Precision {
  return wanted ?? precisionOfOnnx(model);
}

async function recordOf(plan: string, log: Log): Promise<EngineRecord | undefined> {
  const record = await readRecord(recordPathOf(plan));
  if (record === undefined) return undefined;
  if (typeof record !== 'string' && record.plan.sha256 === (await sha256OfFile(plan))) return record;
  const why = typeof record === 'string' ? record : 'it is of another plan';
  log({ level: 'warn', message: `${recordPathOf(plan)} is not used: ${why}` });
  return undefined;
}

async function refuseStale(plan: string, { key }: EngineRecord, context: PlanContext): Promise<void> {
  const { model, wishes } = context;
  const target = await findTarget(wishes.tensorrt ?? {}, wishes.tensorrt?.devices?.[0]);
  const differences = staleness(key, target, wishes.verifyHash ? model : undefined);
  if (differences.length === 0) return;
  const cure = existsSync(model.onnxPath)
    ? "backend 'tensorrt' builds another, as does 'tft build'"
    : `there is no ONNX file in ${dirname(plan)} to build another from: copy the whole bundle here`;
  throw new TFTError('ERR_TFT_ENGINE_STALE', `${plan} is not for here: ${differences.join('; ')}; ${cure}`, {
    details: { plan, differences },
  });
}

/** An error's message with the plan that it is about. */
function named(plan: string, { message }: TFTError): string {
  return message.includes(plan) ? message : `${plan}: ${message}`;
}

function requestFor({ model, wishes, log }: PlanContext): EngineRequest {
  const { precision, cache, build, maxBatch, tensorrt = {}, verifyHash, onProgress, signal } = wishes;
  return {
    model,
    precision: precisionToBuild(model, precision),
    verifyHash,
    options: completeBuildOptions(build || undefined, maxBatch),
    libraries: tensorrt,
    device: tensorrt.devices?.[0] ?? 0,
    folder: cache === false ? false : engineFolder(cache),
    log,
    onProgress,
    signal,
  };
}

async function runObtained(engine: ObtainedEngine, context: PlanContext): Promise<TensorRtBackend> {
  try {
    const { path, from, kept, record } = engine;
    const origin = kept === 'nowhere' ? `${context.model.onnxPath} (built just now, not kept)` : path;
    return await run({ path, origin, engine: from, precision: record.key.precision }, context);
  } finally {
    await engine.release();
  }
}

function run(plan: PlanToRun, { model, contract, wishes, log }: PlanContext): Promise<TensorRtBackend> {
  return TensorRtBackend.load(plan, model, contract, wishes, log);
}
