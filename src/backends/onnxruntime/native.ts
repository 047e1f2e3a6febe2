// ONNX Runtime in the native addon: its threads share one copy of the model, and the queue is the C++ core's.
import { TFTError } from '../../contract/errors.js';
import { fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import type { LoadRequest } from '../load-request.js';
import { NativeBackend, tensorsWithCodes } from '../native-backend.js';
import { defaultLanes, processorName } from '../processor.js';
import { findOnnxRuntime } from './library.js';

/**
 * Loads the model's ONNX file.
 *
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_MODEL_INVALID, ERR_TFT_OPTION, ERR_TFT_UNSUPPORTED.
 */
export async function loadNative(request: LoadRequest): Promise<NativeBackend> {
  const { model, contract, threads, nice, maxBatch, queueLimit, onnxruntime } = request;
  const lanes = threads ?? defaultLanes();
  const tensors = tensorsWithCodes(model);
  const addon = loadAddon();
  if (addon.loadOnnxRuntime === undefined) {
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      'this build of the addon does not run ONNX Runtime; build it where crates.io can be reached',
    );
  }
  const named = onnxruntime?.library;
  const { binaries: library, version } =
    named === undefined ? findOnnxRuntime() : { binaries: named, version: undefined };
  const log = receiver(request.log);
  try {
    const native = await addon.loadOnnxRuntime(
      {
        ...tensors,
        onnx: model.onnxPath,
        library,
        lanes,
        maxBatch,
        queueLimit,
        nice,
        kernels: onnxruntime?.kernels,
      },
      log,
    );
    const { kernels: parts, instructions } = native.info();
    return new NativeBackend({
      native,
      contract,
      info: {
        name: 'onnxruntime',
        device: processorName(),
        versions: version === undefined ? {} : { onnxruntime: version },
        precision: 'fp32',
        threads: lanes,
        ...(parts.length > 0 && { kernels: { parts, instructions } }),
      },
      origin: model.onnxPath,
      log,
    });
  } catch (error) {
    throw fromNative(error);
  }
}
