// What a TensorRT engine is asked for with. The options of TFTEngine.load and of buildEngine are such requests as they
// are; what they leave open is settled here, when it is needed.

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
  /** Whether a plan is run on the bundle's sample windows before it is kept or served; true where it is left out. */
  readonly check?: boolean | undefined;
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

/** The folder that keeps the engine; undefined where none is kept, as where there is no place for one. */
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
