// Chooses what runs a model. One asked for by name never falls back; 'auto' takes TensorRT where a plan is at hand
// or in the cache and can run, builds none, and says why it took what it took.

import type { Backend } from '../batching/backend.js';
import { BatchQueue } from '../batching/queue.js';
import { precisionOfOnnx } from '../builder/onnx-source.js';
import { findPlan } from '../builder/plan-file.js';
import { TFTError } from '../contract/errors.js';
import type { Contract } from '../contract/inputs.js';
import type { Log } from '../contract/log.js';
import type { ModelDescription } from '../contract/model.js';
import type { BackendName } from '../contract/names.js';
import { OnnxRuntimeRunner } from './onnxruntime/backend.js';
import {
  type EngineWishes,
  loadBuilt,
  loadCached,
  loadPlanFile,
  loadPlanOrRebuild,
  type PlanContext,
} from './tensorrt/plan-choice.js';

/** What a caller asks for. */
export interface BackendWishes extends EngineWishes {
  readonly backend: 'auto' | BackendName;
  readonly threads?: number | undefined;
}

/** What there is to run. */
export interface ModelFiles {
  readonly model: ModelDescription;
  readonly contract: Contract;
  /** The plan that was asked for: nothing else is to run. */
  readonly plan: string | undefined;
  /** The folder to look for plans in, where none was asked for. */
  readonly bundle: string | undefined;
}

/** A backend and the reason for it. */
export interface Selection {
  readonly backend: Backend;
  readonly why: string;
}

const BY_NAME = 'asked for by name';

/**
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_UNSUPPORTED, ERR_TFT_MODEL_INVALID, and what
 *   loading and building a TensorRT engine throws where it was asked for.
 */
export async function selectBackend(files: ModelFiles, wishes: BackendWishes, log: Log): Promise<Selection> {
  const selection = await select(files, wishes, log);
  log({ level: 'info', message: `backend ${selection.backend.info.name}: ${selection.why}` });
  return selection;
}

async function select(files: ModelFiles, wishes: BackendWishes, log: Log): Promise<Selection> {
  const { backend, precision } = wishes;
  const context: PlanContext = { model: files.model, contract: files.contract, wishes, log };
  if (files.plan !== undefined) {
    if (backend === 'onnxruntime') {
      throw new TFTError(
        'ERR_TFT_UNSUPPORTED',
        `${files.plan} is a TensorRT plan; ONNX Runtime cannot run it`,
      );
    }
    return backend === 'auto'
      ? { backend: await loadPlanFile(files.plan, context), why: 'a plan runs on TensorRT only' }
      : { backend: await loadPlanOrRebuild(files.plan, context), why: BY_NAME };
  }
  if (backend === 'onnxruntime') return { backend: await loadOnnx(files, wishes, log), why: BY_NAME };

  const plan = files.bundle === undefined ? undefined : await findPlan(files.bundle, precision);
  if (backend === 'tensorrt') return { backend: await byName(plan, files, context), why: BY_NAME };

  const reasons: string[] = [];
  const attempts: { why: string; load: () => Promise<Backend | undefined> }[] = [
    { why: 'a TensorRT plan is at hand', load: async () => (plan ? loadPlanFile(plan, context) : undefined) },
    { why: 'a TensorRT engine is in the cache', load: () => loadCached(context) },
  ];
  for (const { why, load } of attempts) {
    try {
      const loaded = await load();
      if (loaded) return { backend: loaded, why };
    } catch (error) {
      // A mistake in the options is the caller's to know, whatever else could run.
      if (!(error instanceof TFTError) || error.code === 'ERR_TFT_OPTION') throw error;
      const reason = `TensorRT cannot run ${plan ?? 'the cached engine'}: ${error.message} (${error.code})`;
      reasons.push(reason);
      log({ level: 'warn', message: reason });
    }
  }
  if (reasons.length === 0) {
    reasons.push(`there is no TensorRT plan${precision ? ` in ${precision}` : ''} here`);
  }
  reasons.push('ONNX Runtime runs the model on the CPU');
  if (precision !== undefined && precision !== 'fp32') {
    reasons.push(`it computes in fp32, not in ${precision} as asked`);
  }
  return {
    backend: await loadOnnx(files, { ...wishes, precision: undefined }, log),
    why: reasons.join('; '),
  };
}

/** TensorRT because it was asked for: a plan at hand, else one out of the cache, else one built now. */
async function byName(plan: string | undefined, files: ModelFiles, context: PlanContext): Promise<Backend> {
  if (plan !== undefined) return loadPlanOrRebuild(plan, context);
  if (context.wishes.build !== false) return loadBuilt(context);
  const cached = await loadCached(context);
  if (cached === undefined) throw noPlan(files, context.wishes);
  return cached;
}

async function loadOnnx({ model, contract }: ModelFiles, wishes: BackendWishes, log: Log): Promise<Backend> {
  const { precision = 'fp32', threads, maxBatch, queueLimit } = wishes;
  if (precision !== 'fp32') {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `backend 'onnxruntime' computes in fp32 on a CPU, not in ${precision}; leave precision out or ask for 'fp32'`,
    );
  }
  const own = precisionOfOnnx(model);
  if (own !== 'fp32') {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${model.onnxPath} is the ${own} variant, for TensorRT; on a CPU load ${model.directory}, which is in fp32`,
    );
  }
  const runner = await OnnxRuntimeRunner.load(model, threads, log);
  return new BatchQueue(runner, contract, { maxBatch, queueLimit, origin: model.onnxPath });
}

function noPlan({ model, bundle }: ModelFiles, { precision }: EngineWishes): TFTError {
  const where = bundle ?? model.onnxPath;
  return new TFTError(
    'ERR_TFT_BACKEND_UNAVAILABLE',
    `TensorRT needs a plan, and there is none ${precision ? `in ${precision} ` : ''}for ${where}, nor in the cache; ` +
      `'tft build ${where}' makes one`,
  );
}
