// buildEngine: builds a plan from a bundle or an ONNX file, into the cache or to a path.

import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../contract/durable-file.js';
import { describeIssues, TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import { PRECISIONS, type Precision } from '../contract/names.js';
import { type BuildOptions, completeBuildOptions, type Profile } from './build-options.js';
import { readBuildable } from './buildable-model.js';
import { recordPathOf } from './engine-record.js';
import { type ObtainedEngine, obtainEngine } from './obtain-engine.js';
import type { BatchCheck } from './plan-check.js';
import type { OnBuildProgress } from './progress.js';

/** Options of {@link buildEngine}. */
export interface BuildEngineOptions {
  /** The precision; by default the ONNX file's own, which is FP32 for a bundle. */
  precision?: Precision | undefined;
  /** Where to write the plan, with its record NAME.json in the same folder. Without it the plan is only cached. */
  output?: string | undefined;
  /** The cache's folder; see LoadOptions.cache. With false nothing is cached, so `output` is required. */
  cache?: string | false | undefined;
  /** Whether to build even if the cache has the engine. */
  rebuild?: boolean | undefined;
  build?: BuildOptions | undefined;
  /** Whether a plan is refused if its forecasts of the bundle's sample windows differ from PyTorch's; true by default. */
  check?: boolean | undefined;
  /** The GPU to build on, by CUDA's number; 0 by default. */
  device?: number | undefined;
  /**
   * GPUs to build for, which need not be here: 'rtx4090', 'sm89', '12.0'. TensorRT for RTX then builds one plan for all of
   * them, on any machine; it runs where TensorRT for RTX is.
   */
  targets?: readonly string[] | undefined;
  /** libnvinfer.so.N or its folder, and libcuda.so.1 or its folder; see TensorRtLoadOptions. */
  tensorrt?: { tensorrtPath?: string | undefined; cudaPath?: string | undefined } | undefined;
  /** Whether ONNX files are compared with model.json; true by default. */
  verifyHash?: boolean | undefined;
  log?: Log | undefined;
  onProgress?: OnBuildProgress | undefined;
  signal?: AbortSignal | undefined;
}

/** A plan that was built now or earlier. */
export interface BuiltEngine {
  readonly path: string;
  readonly engine: 'cache' | 'built';
  readonly precision: Precision;
  readonly bytes: number;
  readonly sha256: string;
  /** The duration of its build. */
  readonly buildSeconds: number;
  /** TensorRT's full version. */
  readonly tensorrt: string;
  /** Whether TensorRT for RTX built it, and runs it. */
  readonly rtx: boolean;
  readonly gpu: string;
  /** The name of the ONNX file that it was built from. */
  readonly onnx: string;
  readonly profiles: readonly Profile[];
  /** The parts of the model that this package's kernels run; empty if TensorRT's layers run all of it. */
  readonly fused: readonly string[];
  /** The results of the check on the bundle's sample windows; undefined if it was not checked. */
  readonly check: readonly BatchCheck[] | undefined;
}

const string = z.string().min(1);
const schema = z.strictObject({
  precision: z.enum(PRECISIONS).optional(),
  output: string.optional(),
  cache: z.union([string, z.literal(false)], 'must be a folder or false').optional(),
  rebuild: z.boolean().default(false),
  build: z.custom<BuildOptions>().optional(),
  check: z.boolean().default(true),
  device: z.int().nonnegative().default(0),
  targets: z.array(string).min(1).optional(),
  tensorrt: z.strictObject({ tensorrtPath: string.optional(), cudaPath: string.optional() }).default({}),
  verifyHash: z.boolean().default(true),
  log: z.custom<Log>((value) => typeof value === 'function', 'must be a function').default(() => () => {}),
  onProgress: z
    .custom<OnBuildProgress>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  signal: z.instanceof(AbortSignal).optional(),
} satisfies Record<keyof BuildEngineOptions, unknown>);

/**
 * Builds a TensorRT plan, or takes it from the cache.
 *
 * @param path a bundle's folder, or an ONNX file, which needs no model.json.
 * @throws TFTError ERR_TFT_OPTION, ERR_TFT_MODEL_…, ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_NO_CUDA_DRIVER,
 *   ERR_TFT_NO_CUDA_DEVICE, ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION, ERR_TFT_BUILD,
 *   ERR_TFT_PLAN_MISMATCH, ERR_TFT_PLAN_WRONG, ERR_TFT_UNSUPPORTED, ERR_TFT_OUT_OF_MEMORY, ERR_TFT_ABORTED; ERR_TFT_CACHE
 *   if the engine cannot be cached, ERR_TFT_FILE if `output` cannot be written.
 */
export async function buildEngine(path: string, options: BuildEngineOptions = {}): Promise<BuiltEngine> {
  const result = schema.safeParse(options);
  if (!result.success) {
    throw new TFTError('ERR_TFT_OPTION', `build options: ${describeIssues(result.error)}`, {
      cause: result.error,
    });
  }
  const { output, rebuild, device, tensorrt, ...wanted } = result.data;
  if (output === undefined && wanted.cache === false) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      'cache: false keeps no engine, so output must say where to write it',
    );
  }
  // Checked before the model is read, which takes longer.
  completeBuildOptions(wanted.build);
  const model = await readBuildable(path, wanted.verifyHash);
  const engine = await obtainEngine(
    { ...wanted, model, tensorrt: { ...tensorrt, devices: [device] } },
    { rebuild, mustKeep: output === undefined },
  );
  try {
    if (output !== undefined) await writePlan(engine, resolve(output));
    return describe(engine, output === undefined ? engine.path : resolve(output));
  } finally {
    await engine.release();
  }
}

/** Writes a plan and its record; a plan never has another plan's record. @throws TFTError ERR_TFT_FILE. */
export async function writePlan({ path, record }: ObtainedEngine, output: string): Promise<void> {
  try {
    await rm(recordPathOf(output), { force: true });
    await writeDurably(output, await readFile(path));
    await writeDurably(recordPathOf(output), `${JSON.stringify(record, null, 2)}\n`);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `${output} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function describe({ from, record }: ObtainedEngine, path: string): BuiltEngine {
  const { key, plan, buildSeconds, onnxName, kernels, check } = record;
  return {
    path,
    engine: from,
    precision: key.precision,
    bytes: plan.bytes,
    sha256: plan.sha256,
    buildSeconds,
    tensorrt: key.tensorrt,
    rtx: key.rtx !== undefined,
    gpu: key.gpu,
    onnx: onnxName,
    profiles: key.profiles,
    fused: kernels?.fused ?? [],
    check,
  };
}
