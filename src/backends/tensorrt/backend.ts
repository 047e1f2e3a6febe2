// The backend for NVIDIA GPUs: loads plans into the native engine.
import type { BackendInfo } from '../../batching/backend.js';
import type { RuntimeCache } from '../../builder/runtime-cache.js';
import type { Precision } from '../../contract/names.js';
import type { NativeEngineInfo } from '../../native/addon.js';
import { fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import type { LoadRequest } from '../load-request.js';
import { NativeBackend, tensorsWithCodes } from '../native-backend.js';

/** A plan to run. */
export interface PlanToRun {
  /** The file that TensorRT reads. */
  readonly path: string;
  /** Shown instead of the path as the engine's origin. */
  readonly origin?: string | undefined;
  readonly engine: 'file' | 'cache' | 'built';
  readonly precision: Precision | 'unknown';
  /** Whether its forecasts of the bundle's sample windows were compared with PyTorch's. */
  readonly checked: boolean;
  /** Whether it is TensorRT for RTX's. */
  readonly rtx: boolean;
  readonly runtimeCache?: RuntimeCache | undefined;
}

/**
 * Loads a plan.
 *
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_NO_CUDA_DRIVER, ERR_TFT_NO_CUDA_DEVICE,
 *   ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION, ERR_TFT_PLAN_INVALID, ERR_TFT_PLAN_MISMATCH,
 *   ERR_TFT_OUT_OF_MEMORY, ERR_TFT_DEVICE_LOST, ERR_TFT_OPTION, ERR_TFT_UNSUPPORTED.
 */
export async function loadPlan(plan: PlanToRun, request: LoadRequest): Promise<NativeBackend> {
  const { model, contract, maxBatch, queueLimit, tensorrt } = request;
  const log = receiver(request.log);
  const tensors = tensorsWithCodes(model);
  try {
    const native = await loadAddon().load(
      {
        plan: plan.path,
        ...tensors,
        maxBatch,
        queueLimit,
        ...tensorrt,
        rtx: plan.rtx,
        runtimeCache: plan.runtimeCache?.content,
      },
      log,
    );
    return new NativeBackend({
      native,
      contract,
      info: describe(plan, native.info()),
      origin: plan.origin ?? plan.path,
      log,
      keep: (compiled) => plan.runtimeCache?.keep(compiled),
    });
  } catch (error) {
    throw fromNative(error);
  }
}

function describe(plan: PlanToRun, info: NativeEngineInfo): BackendInfo {
  const cuda = `${Math.floor(info.cudaVersion / 1000)}.${Math.floor((info.cudaVersion % 1000) / 10)}`;
  return {
    name: 'tensorrt',
    device: info.devices.map(({ device }) => device.name).join(', '),
    versions: {
      tensorrt: `${info.tensorrtVersion}${info.lean ? ' lean' : info.rtx ? ' for RTX' : ''}`,
      cuda,
    },
    precision: plan.precision,
    engine: plan.engine,
    checked: plan.checked,
    threads: info.devices.reduce((lanes, device) => lanes + device.lanes, 0),
  };
}
