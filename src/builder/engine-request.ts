// A request for a TensorRT engine. The options of TFTEngine.load and of buildEngine are such requests; the functions here
// fill in their defaults when needed.

import { TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import type { Precision } from '../contract/names.js';
import { type BuildOptions, type CompleteBuildOptions, completeBuildOptions } from './build-options.js';
import type { BuildableModel } from './buildable-model.js';
import { engineFolder } from './cache-folder.js';
import { precisionOfOnnx } from './onnx-source.js';
import type { OnBuildProgress } from './progress.js';

/** A request for an engine; see LoadOptions for the fields. */
export interface EngineRequest {
  readonly model: BuildableModel;
  readonly precision?: Precision | undefined;
  readonly verifyHash: boolean;
  readonly maxBatch?: number | undefined;
  readonly build?: BuildOptions | false | undefined;
  readonly cache?: string | false | undefined;
  /** Whether a plan is checked on the bundle's sample windows before it is cached or loaded; true by default. */
  readonly check?: boolean | undefined;
  /** GPUs to build for by TensorRT for RTX; without them, for the GPU here. See BuildEngineOptions. */
  readonly targets?: readonly string[] | undefined;
  readonly tensorrt?:
    | {
        readonly tensorrtPath?: string | undefined;
        readonly cudaPath?: string | undefined;
        readonly allowHostCode?: boolean | undefined;
        /** The engine is built on the first of them. */
        readonly devices?: readonly number[] | undefined;
      }
    | undefined;
  readonly log: Log;
  readonly onProgress?: OnBuildProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The precision that was asked for, else the ONNX file's own. */
export function precisionOfRequest({ model, precision }: EngineRequest): Precision {
  return precision ?? precisionOfOnnx(model);
}

/** The cache folder for the engine; undefined if it is not cached, or if no folder can be used. */
export function folderOfRequest({ cache, log }: EngineRequest, mustKeep = false): string | undefined {
  if (cache === false) return undefined;
  try {
    return engineFolder(cache);
  } catch (error) {
    if (mustKeep || !(error instanceof TFTError)) throw error;
    log({ level: 'warn', message: error.message });
    return undefined;
  }
}

export function deviceOfRequest({ tensorrt }: EngineRequest): number {
  return tensorrt?.devices?.[0] ?? 0;
}

export function buildOptionsOfRequest({ build, maxBatch }: EngineRequest): CompleteBuildOptions {
  return completeBuildOptions(build || undefined, maxBatch);
}
