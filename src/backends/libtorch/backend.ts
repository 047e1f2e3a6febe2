// The backend LibTorch: loads TorchScript modules into the native engine, on the CPU or a GPU.
import { existsSync } from 'node:fs';
import { TFTError } from '../../contract/errors.js';
import { ownFile } from '../../contract/own-package.js';
import type { NativeLibTorch } from '../../native/addon.js';
import { fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import type { LoadRequest } from '../load-request.js';
import { NativeBackend, tensorsWithCodes } from '../native-backend.js';
import { defaultLanes, processorName } from '../processor.js';

/** While one batch runs on a GPU, the next is copied in. */
const GPU_LANES = 2;

/**
 * Opens the library that runs LibTorch: the one that is named, else TFT_LIBTORCH's, else this package's own build of it.
 *
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE.
 */
export async function openLibTorch(named?: string): Promise<NativeLibTorch> {
  try {
    return await loadAddon().openLibTorch(libraryPath(named));
  } catch (error) {
    throw fromNative(error);
  }
}

/** Whether a library is named, or built here, so that opening it is worth the time. */
export function isLibTorchAtHand(named?: string): boolean {
  return process.env.TFT_LIBTORCH !== undefined || libraryPath(named) !== undefined;
}

/** undefined leaves the choice to the core: TFT_LIBTORCH, then the loader's path. */
function libraryPath(named: string | undefined): string | undefined {
  if (named !== undefined) return named;
  const own = ownFile('build/libtorch/libtft_libtorch.so');
  return process.env.TFT_LIBTORCH === undefined && existsSync(own) ? own : undefined;
}

/**
 * Loads a module.
 *
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_INVALID, ERR_TFT_OPTION,
 *   ERR_TFT_OUT_OF_MEMORY, ERR_TFT_UNSUPPORTED.
 */
export async function loadModule(module: string, request: LoadRequest): Promise<NativeBackend> {
  const { model, contract, maxBatch, queueLimit, libtorch = {} } = request;
  const device = libtorch.device ?? 'cpu';
  const lanes = request.threads ?? (device === 'cpu' ? defaultLanes() : GPU_LANES);
  const tensors = tensorsWithCodes(model);
  const { path, version } = await openLibTorch(libtorch.library);
  const log = receiver(request.log);
  try {
    const native = await loadAddon().loadTorchScript(
      { ...tensors, module, library: path, device, threads: libtorch.threads, lanes, maxBatch, queueLimit },
      log,
    );
    return new NativeBackend({
      native,
      contract,
      info: {
        name: 'libtorch',
        device: device === 'cpu' ? processorName() : device,
        versions: { libtorch: version },
        precision: 'fp32',
        threads: lanes,
      },
      origin: module,
      log,
    });
  } catch (error) {
    throw fromNative(error);
  }
}

/** @throws TFTError ERR_TFT_UNSUPPORTED unless the precision is FP32 or none. */
export function refuseOtherPrecisions({ precision }: LoadRequest): void {
  if (precision === undefined || precision === 'fp32') return;
  throw new TFTError(
    'ERR_TFT_UNSUPPORTED',
    `backend 'libtorch' computes in fp32, not in ${precision}; leave precision out or ask for 'fp32'`,
  );
}
