// One build by TensorRT outside the event loop. An AbortSignal cancels it.

import { TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import type { NativeBuild, NativeLibraryOptions } from '../native/addon.js';
import { fromNative } from '../native/errors.js';
import { loadAddon } from '../native/load-addon.js';
import { callSafely, receiver } from '../native/receiver.js';
import { nativeTensors } from '../native/tensors.js';
import type { CompleteBuildOptions } from './build-options.js';
import type { BuildableModel } from './buildable-model.js';
import type { OnnxSource } from './onnx-source.js';
import { type OnBuildProgress, PhaseTree } from './progress.js';

/** A build: model, options, and the receivers of log and progress. */
export interface BuildJob {
  readonly model: BuildableModel;
  readonly source: OnnxSource;
  readonly options: CompleteBuildOptions;
  readonly libraries: NativeLibraryOptions;
  readonly device: number;
  readonly targets?: readonly number[] | undefined;
  readonly timingCache: Uint8Array | undefined;
  readonly log: Log;
  readonly onProgress?: OnBuildProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Builds a plan.
 *
 * @throws TFTError ERR_TFT_BUILD, ERR_TFT_PLAN_MISMATCH, ERR_TFT_ABORTED, ERR_TFT_OUT_OF_MEMORY, ERR_TFT_OPTION,
 *   ERR_TFT_UNSUPPORTED, ERR_TFT_TENSORRT_NOT_FOUND if the parser or the builder is missing.
 */
export async function buildPlan(job: BuildJob): Promise<NativeBuild> {
  const { source, options, signal, timingCache } = job;
  if (signal?.aborted) throw cancelledBuild(signal);
  const { precision, stronglyTyped } = source;
  const { cudaPath, tensorrtPath, rtx } = job.libraries;
  const phases = new PhaseTree();
  const tell = job.onProgress;
  const builder = loadAddon().build(
    {
      onnx: source.path,
      device: job.device,
      ...nativeTensors(job.model),
      targets: job.targets,
      cudaPath,
      tensorrtPath,
      rtx,
      ...options,
      stronglyTyped,
      fp16: !stronglyTyped && precision !== 'fp32',
      int8: !stronglyTyped && precision === 'int8',
      timingCache,
    },
    receiver(job.log),
    (progress) => {
      const taken = phases.take(progress);
      if (tell) callSafely(() => tell(taken));
    },
  );
  const cancel = () => builder.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const built = await builder.result;
    // The signal fired just before the build ended: discard its result.
    if (signal?.aborted) throw cancelledBuild(signal);
    return built;
  } catch (error) {
    if (signal?.aborted) throw cancelledBuild(signal);
    throw fromNative(error);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** The error for a build whose signal has fired. */
export function cancelledBuild(signal: AbortSignal): TFTError {
  return new TFTError('ERR_TFT_ABORTED', 'the build was cancelled', { cause: signal.reason });
}
