// ONNX Runtime's row in the table of backends: runs ONNX files in FP32 on any CPU.
import type { Backend } from '../../batching/backend.js';
import { BatchQueue } from '../../batching/queue.js';
import { precisionOfOnnx } from '../../builder/onnx-source.js';
import { TFTError } from '../../contract/errors.js';
import { callSafely } from '../../native/receiver.js';
import type { LoadRequest } from '../load-request.js';
import { MAX_ADDON_LANES } from '../processor.js';
import type { BackendRow } from '../row.js';
import { OnnxRuntimeRunner } from './backend.js';
import { loadNative } from './native.js';

export const onnxRuntimeRow: BackendRow = {
  canRun({ located, model }) {
    if (located.kind === 'plan') return `${located.path} is a TensorRT plan; ONNX Runtime cannot run it`;
    if (located.kind === 'torchscript')
      return `${located.path} is a TorchScript module; ONNX Runtime cannot run it`;
    const own = precisionOfOnnx(model);
    if (own === 'fp32') return undefined;
    return `${model.onnxPath} is the ${own} variant, for TensorRT; on a CPU load ${model.directory}, which is in fp32`;
  },

  async load(request) {
    const { precision } = request;
    if (precision === undefined || precision === 'fp32') return run(request);
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `backend 'onnxruntime' computes in fp32 on a CPU, not in ${precision}; leave precision out or ask for 'fp32'`,
    );
  },

  async atHand(request) {
    const { precision } = request;
    const none = `there is no TensorRT plan${precision ? ` in ${precision}` : ''} here`;
    const runs = 'ONNX Runtime runs the model on the CPU';
    const other = `it computes in fp32, not in ${precision} as asked`;
    return [
      {
        failure: 'ONNX Runtime cannot run the model',
        why: (reasons) =>
          [
            ...(reasons.length > 0 ? reasons : [none]),
            runs,
            ...(precision === undefined || precision === 'fp32' ? [] : [other]),
          ].join('; '),
        load: () => run(request),
      },
    ];
  },
};

/** The addon cannot run here, or not this model: one with an output of integers. */
const CANNOT: ReadonlySet<string> = new Set(['ERR_TFT_BACKEND_UNAVAILABLE', 'ERR_TFT_UNSUPPORTED']);

/** In the addon, whose kernels are several times as fast, or where that cannot be in worker threads. */
async function run(request: LoadRequest): Promise<Backend> {
  const { model, contract, threads, nice, maxBatch, queueLimit, log, onnxruntime = {} } = request;
  if (onnxruntime.native !== false && (onnxruntime.native || (threads ?? 1) <= MAX_ADDON_LANES)) {
    try {
      return await loadNative(request);
    } catch (error) {
      const isAsked = Object.values(onnxruntime).some((value) => value !== undefined);
      if (isAsked || !(error instanceof TFTError) || !CANNOT.has(error.code)) throw error;
      callSafely(() =>
        log({ level: 'info', message: `worker threads run ONNX Runtime, which is slower: ${error.message}` }),
      );
    }
  }
  const runner = await OnnxRuntimeRunner.load(model, threads, nice, log);
  return new BatchQueue(runner, contract, { maxBatch, queueLimit, origin: model.onnxPath });
}
