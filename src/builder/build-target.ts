// What a plan depends on besides the model: the GPU, and the versions of TensorRT, CUDA and the driver.
import { TFTError, type TFTErrorCode } from '../contract/errors.js';
import type { LibraryReport, NativeKernels, NativeLibraryOptions } from '../native/addon.js';
import { driverVersion } from '../native/driver-version.js';
import { fromNative } from '../native/errors.js';
import { loadAddon } from '../native/load-addon.js';
import { formatCapability } from './rtx-targets.js';

/** The machine's side of a plan. */
export interface BuildTarget {
  /** TensorRT's full version: 10.15.1.29. */
  readonly tensorrt: string;
  /** The GPU's number in CUDA. */
  readonly device: number;
  readonly gpu: string;
  /** Such as 9.0. */
  readonly computeCapability: string;
  /** The newest CUDA version that the driver supports, 13000 for 13.0. */
  readonly cuda: number;
  /** The kernel driver's version; empty if it cannot be read. */
  readonly driver: string;
  /** This package's CUDA kernels; undefined if the addon was built without them. */
  readonly kernels: NativeKernels | undefined;
  /** Whether this is TensorRT for RTX. */
  readonly rtx: boolean;
  /** The compute capabilities to build for (89 for 8.9), where they were named; otherwise `gpu` is the target. */
  readonly targets?: readonly number[];
}

/**
 * Opens TensorRT and CUDA and reads their versions and the GPU.
 *
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_NO_CUDA_DRIVER, ERR_TFT_NO_CUDA_DEVICE,
 *   ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION, ERR_TFT_OPTION for a device that does not exist.
 */
export async function findTarget(libraries: NativeLibraryOptions, device = 0): Promise<BuildTarget> {
  const report = await survey(libraries);
  const gpu = report.devices.find(({ index }) => index === device);
  if (gpu === undefined) {
    const there = report.devices.map(({ index, name }) => `${index} (${name})`).join(', ');
    throw new TFTError('ERR_TFT_OPTION', `CUDA has no GPU ${device} here; it has: ${there}`);
  }
  return {
    tensorrt: report.tensorrtVersion,
    device,
    gpu: gpu.name,
    computeCapability: gpu.computeCapability,
    cuda: report.cudaVersion,
    driver: driverVersion() ?? '',
    kernels: report.rtx ? undefined : loadAddon().kernels(),
    rtx: report.rtx,
  };
}

/**
 * The target for named GPUs, which need not be here: TensorRT for RTX builds for them, and CUDA is asked for nothing.
 *
 * @param targets compute capabilities, as 89 for 8.9.
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION.
 */
export async function findRtxTarget(
  { tensorrtPath }: NativeLibraryOptions,
  targets: readonly number[],
): Promise<BuildTarget> {
  const report = await survey({ tensorrtPath, rtx: true, withoutCuda: true });
  return {
    tensorrt: report.tensorrtVersion,
    device: 0,
    gpu: targets.map((target) => `sm${target}`).join(', '),
    computeCapability: targets.map(formatCapability).join(', '),
    cuda: 0,
    driver: '',
    kernels: undefined,
    rtx: true,
    targets,
  };
}

async function survey(libraries: NativeLibraryOptions): Promise<LibraryReport> {
  const { cudaPath, tensorrtPath, rtx, withoutCuda } = libraries;
  let report: LibraryReport;
  try {
    report = await loadAddon().loadLibraries({ cudaPath, tensorrtPath, rtx, withoutCuda });
  } catch (error) {
    throw fromNative(error);
  }
  if (report.problem) throw new TFTError(report.problem.code as TFTErrorCode, report.problem.message);
  return report;
}

/** Whether TensorRT takes the precision of each layer from the graph alone, as 11 and RTX do. */
export function isStronglyTypedOnly({ tensorrt, rtx }: Pick<BuildTarget, 'tensorrt' | 'rtx'>): boolean {
  return rtx || Number.parseInt(tensorrt, 10) >= 11;
}
