// Chooses what runs a model. One asked for by name never falls back; 'auto' takes TensorRT where a plan is at hand
// and can run, and says why it took what it took.
import type { Contract } from '../contract.js';
import { TFTError } from '../errors.js';
import type { ModelDescription } from '../model.js';
import { findPlan } from '../plan.js';
import { BatchQueue } from '../queue.js';
import type { Backend, BackendName, Log } from './backend.js';
import { OnnxRuntimeRunner } from './onnxruntime.js';
import { type PlanWishes, TensorRtBackend } from './tensorrt.js';

/** What a caller asks for. */
export interface BackendWishes extends PlanWishes {
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
 *   {@link TensorRtBackend.load} throws where it was asked for.
 */
export async function selectBackend(files: ModelFiles, wishes: BackendWishes, log: Log): Promise<Selection> {
  const { backend } = wishes;
  if (backend === 'libtorch' || backend === 'kserve') {
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      `${backend === 'libtorch' ? 'LibTorch' : 'the KServe client'} is not in this build of tft-tensorrt; use ` +
        `backend 'onnxruntime' or 'auto'`,
    );
  }
  const selection = await select(files, wishes, log);
  log({ level: 'info', message: `backend ${selection.backend.info.name}: ${selection.why}` });
  return selection;
}

async function select(files: ModelFiles, wishes: BackendWishes, log: Log): Promise<Selection> {
  const { backend, precision } = wishes;
  if (files.plan !== undefined) {
    if (backend === 'onnxruntime') {
      throw new TFTError(
        'ERR_TFT_UNSUPPORTED',
        `${files.plan} is a TensorRT plan; ONNX Runtime cannot run it`,
      );
    }
    return {
      backend: await loadPlan(files.plan, files, wishes, log),
      why: backend === 'auto' ? 'a plan runs on TensorRT only' : BY_NAME,
    };
  }
  if (backend === 'onnxruntime') return { backend: await loadOnnx(files, wishes, log), why: BY_NAME };

  const plan = files.bundle === undefined ? undefined : await findPlan(files.bundle, precision);
  if (backend === 'tensorrt') {
    if (plan === undefined) throw noPlan(files, wishes);
    return { backend: await loadPlan(plan, files, wishes, log), why: BY_NAME };
  }

  const reasons: string[] = [];
  if (plan === undefined) {
    reasons.push(`there is no TensorRT plan${precision ? ` in ${precision}` : ''} here`);
  } else {
    try {
      return { backend: await loadPlan(plan, files, wishes, log), why: 'a TensorRT plan is at hand' };
    } catch (error) {
      // A mistake in the options is the caller's to know, whatever else could run.
      if (!(error instanceof TFTError) || error.code === 'ERR_TFT_OPTION') throw error;
      reasons.push(`TensorRT cannot run ${plan}: ${error.message} (${error.code})`);
      log({ level: 'warn', message: reasons[0] as string });
    }
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

function loadPlan(plan: string, files: ModelFiles, wishes: BackendWishes, log: Log): Promise<Backend> {
  return TensorRtBackend.load(plan, files.model, files.contract, wishes, log);
}

async function loadOnnx({ model, contract }: ModelFiles, wishes: BackendWishes, log: Log): Promise<Backend> {
  const { precision = 'fp32', threads, maxBatch, queueLimit } = wishes;
  if (precision !== 'fp32') {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `backend 'onnxruntime' computes in fp32 on a CPU, not in ${precision}; leave precision out or ask for 'fp32'`,
    );
  }
  const runner = await OnnxRuntimeRunner.load(model, threads, log);
  return new BatchQueue(runner, contract, { maxBatch, queueLimit, origin: model.onnxPath });
}

function noPlan({ model, bundle }: ModelFiles, { precision }: BackendWishes): TFTError {
  const kind = precision ? `${precision} plan` : 'plan';
  return new TFTError(
    'ERR_TFT_BACKEND_UNAVAILABLE',
    bundle === undefined
      ? `TensorRT runs plan files, not ${model.onnxPath}; load a plan (.engine), or a bundle's folder with one in it`
      : `TensorRT needs a ${kind} (.engine or .plan), and there is none in ${bundle}`,
  );
}
