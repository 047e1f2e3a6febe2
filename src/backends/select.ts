// Chooses what runs a model. One asked for by name never falls back; 'auto' says why it took what it took.

import type { Contract } from '../contract.js';
import { TFTError } from '../errors.js';
import type { ModelDescription } from '../model.js';
import { BatchQueue } from '../queue.js';
import type { Backend, BackendName, Log, Precision } from './backend.js';
import { OnnxRuntimeRunner } from './onnxruntime.js';

/** What a caller asks for. */
export interface BackendWishes {
  readonly backend: 'auto' | BackendName;
  readonly precision?: Precision | undefined;
  readonly threads?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly queueLimit: number;
}

/** A backend and the reason for it. */
export interface Selection {
  readonly backend: Backend;
  readonly why: string;
}

/** The error for a backend that this build does not have. */
export function notInThisBuild(what: string): TFTError {
  return new TFTError(
    'ERR_TFT_BACKEND_UNAVAILABLE',
    `${what} is not in this build of tft-tensorrt; use backend 'onnxruntime' or 'auto'`,
  );
}

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_UNSUPPORTED, ERR_TFT_MODEL_INVALID. */
export async function selectBackend(
  model: ModelDescription,
  contract: Contract,
  wishes: BackendWishes,
  log: Log,
): Promise<Selection> {
  const { backend, precision = 'fp32', threads } = wishes;
  if (backend !== 'auto' && backend !== 'onnxruntime') throw notInThisBuild(NAMES[backend]);
  if (backend === 'onnxruntime' && precision !== 'fp32') {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `backend 'onnxruntime' computes in fp32 on a CPU, not in ${precision}; leave precision out or ask for 'fp32'`,
    );
  }
  const reasons =
    backend === 'auto'
      ? [`TensorRT is not in this build, so ONNX Runtime runs the model on the CPU`]
      : [`asked for by name`];
  if (precision !== 'fp32') reasons.push(`it computes in fp32, not in ${precision} as asked`);
  const why = reasons.join('; ');
  log({ level: 'info', message: `backend onnxruntime: ${why}` });
  const runner = await OnnxRuntimeRunner.load(model, threads, log);
  const { maxBatch, queueLimit } = wishes;
  return { backend: new BatchQueue(runner, contract, { maxBatch, queueLimit, origin: model.onnxPath }), why };
}

const NAMES = { tensorrt: 'TensorRT', libtorch: 'LibTorch', kserve: 'the KServe client' } as const;
