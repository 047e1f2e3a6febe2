// The options of loading and of predicting, and their checks. An unknown option is refused by name, so that a misspelt
// one is never silently ignored.

import { z } from 'zod';
import type {
  LibTorchOptions,
  OnnxRuntimeOptions,
  RemoteOptions,
  TensorRtOptions,
} from './backends/load-request.js';
import { MAX_ADDON_LANES } from './backends/processor.js';
import type { AbortSignalLike } from './batching/abort.js';
import { MAX_TIMER_MS } from './batching/request.js';
import { type BuildOptions, completeBuildOptions } from './builder/build-options.js';
import type { OnBuildProgress } from './builder/progress.js';
import { describeIssues, TFTError } from './contract/errors.js';
import type { Log } from './contract/log.js';
import { BACKEND_CHOICES, type BackendName, PRECISIONS, type Precision } from './contract/names.js';
import { typeName, viewLength } from './contract/typed-array.js';

/** Options of {@link TFTEngine.load}. */
export interface LoadOptions {
  /**
   * What runs the model. 'auto', the default, takes the best that is available and says why in `engine.info.why` and in
   * the log. A backend that is asked for by name never falls back to another.
   */
  backend?: 'auto' | BackendName | undefined;
  /** The arithmetic to run in; what really runs is in `engine.info.precision`. */
  precision?: Precision | undefined;
  /** The largest number of series in one run; a larger request runs in parts. Each backend has its own default. */
  maxBatch?: number | undefined;
  /** The largest number of series that may wait; 4096 by default. Beyond it requests fail with ERR_TFT_QUEUE_FULL. */
  queueLimit?: number | undefined;
  /**
   * The number of computing threads on a CPU; by default as many as the process may use, up to 8. Each runs its own
   * batches; worker threads with ONNX Runtime each have their own copy of the model (about 40 MB for the demo model). The
   * addon takes up to 64.
   */
  threads?: number | undefined;
  /**
   * On Linux, by how much the priority of ONNX Runtime's threads is lower than the caller's: 0, the default, to 19, as of
   * the command nice. The service takes 10, so that its event loop does not wait for them where there are few processors.
   */
  nice?: number | undefined;
  /** The quantiles that a plan without a model.json predicts, increasing. */
  quantiles?: readonly number[] | undefined;
  /** For a model on servers: the bundle that describes it. Only its model.json is read. */
  bundle?: string | undefined;
  /** For a model on servers: how they are used. */
  remote?: RemoteLoadOptions | undefined;
  /**
   * Whether forecasts say what they rest on: `SeriesForecast.explanation`. It runs the bundle's second graph, which
   * `tft-export export --explain` writes, in FP32; false by default.
   */
  explain?: boolean | undefined;
  /** How ONNX Runtime is found and used. */
  onnxruntime?: OnnxRuntimeLoadOptions | undefined;
  /** How TensorRT is found and used. */
  tensorrt?: TensorRtLoadOptions | undefined;
  /** How LibTorch is found and used. */
  libtorch?: LibTorchLoadOptions | undefined;
  /**
   * The folder that keeps built TensorRT engines. The default is the variable TFT_CACHE, else `tft-tensorrt` in
   * XDG_CACHE_HOME or ~/.cache. With false none is kept.
   */
  cache?: string | false | undefined;
  /**
   * How a TensorRT engine is built if there is none yet. Only backend 'tensorrt' builds, as it takes seconds to minutes.
   * With false none is built.
   */
  build?: BuildOptions | false | undefined;
  /**
   * Whether a TensorRT engine is run on the bundle's sample windows before it is kept or serves a request, and refused
   * with ERR_TFT_PLAN_WRONG if it does not forecast as PyTorch did; true by default. The result is kept, so an engine is
   * checked once.
   */
  check?: boolean | undefined;
  /** Receives the progress of a build. */
  onProgress?: OnBuildProgress | undefined;
  /** Cancels a build: loading then rejects with ERR_TFT_ABORTED. */
  signal?: AbortSignal | undefined;
  /** Receives the engine's log; without it the engine is silent. */
  log?: Log | undefined;
  /** Whether the model file's hash is compared with model.json; true by default. */
  verifyHash?: boolean | undefined;
}

/** Options of the backend 'onnxruntime'. */
export interface OnnxRuntimeLoadOptions {
  /**
   * Whether the addon's own threads run the model, which all of them share, or worker threads of Node with a copy each. By default
   * the addon does where it can. It loads faster, takes less memory, has `predictSync`, and has kernels of its own.
   */
  native?: boolean | undefined;
  /**
   * In the addon: whether this package's kernels run the parts of the model that they support, instead of ONNX Runtime's, which
   * take several times as long; true by default.
   */
  kernels?: boolean | undefined;
  /** In the addon: libonnxruntime.so.1 or its folder. Without it the one of this package or of onnxruntime-node. */
  library?: string | undefined;
}

/** Options of the backend 'tensorrt'. */
export interface TensorRtLoadOptions {
  /**
   * libnvinfer.so.N, libnvinfer_lean.so.N, or their folder. Without it TENSORRT_ROOT, the loader's path and
   * Python environments are searched.
   */
  tensorrtPath?: string | undefined;
  /** libcuda.so.1 or its folder; the loader's path without it. */
  cudaPath?: string | undefined;
  /** The GPUs to use, by CUDA's numbers; [0] by default. */
  devices?: readonly number[] | undefined;
  /** Batches that run at once on each GPU, from 1 to 64; 2 by default. Each takes memory of the GPU; 8 suit full load. */
  lanes?: number | undefined;
  /**
   * While nothing runs, a request of at least this many series is divided among the lanes, into parts of at least half as
   * many; 256 by default, 0 for never. One part is copied while another runs.
   */
  splitFrom?: number | undefined;
  /** Whether runs are captured as CUDA graphs; true by default. */
  cudaGraphs?: boolean | undefined;
  /**
   * Whether threads wait for the GPU by polling all the time, which occupies a core each. Otherwise they sleep until a run
   * is nearly over, and poll only then.
   */
  poll?: boolean | undefined;
  /** Whether a plan may contain code that runs on the host. Only allow it for plans that you trust. */
  allowHostCode?: boolean | undefined;
}

/** Options of the backend 'libtorch'. */
export interface LibTorchLoadOptions {
  /**
   * libtft_libtorch.so, which `npm run build:libtorch` builds, or its folder. Without it: the variable TFT_LIBTORCH, then
   * the one that was built in this package.
   */
  library?: string | undefined;
  /** 'cpu', the default, or 'cuda:0' and so on. */
  device?: string | undefined;
  /** The threads that share one run on the CPU; 1 by default. How many runs there are at once is {@link LoadOptions.threads}. */
  threads?: number | undefined;
}

/** Options of the backend 'kserve'. */
export interface RemoteLoadOptions {
  /** Sent as `Authorization: Bearer`; by gRPC also under the name that Triton looks for. */
  apiKey?: string | undefined;
  /** The certificates, in PEM, that the server's certificate is checked with instead of the system's. Only for kserves:// and kserves+grpc://. */
  ca?: string | Buffer | undefined;
  /**
   * The time that one endpoint has to answer a request, in milliseconds; 10,000 by default. With several endpoints and a
   * `deadlineMs` the first has at most half of the remaining time, so that another can still be asked.
   */
  timeoutMs?: number | undefined;
  /** The largest number of requests under way to each endpoint; 16 by default. Further ones wait, see `queueLimit`. */
  connections?: number | undefined;
}

/** Options of a prediction. */
export interface PredictOptions {
  /** Cancels the request: it rejects at once with ERR_TFT_ABORTED, and parts that have not begun never run. */
  signal?: AbortSignalLike | undefined;
  /** Receives the result: exactly batch × horizon × quantiles values. `forecast.data` is then this array. */
  out?: Float32Array | undefined;
  /**
   * Lends the inputs instead of having them copied: with TensorRT nothing is copied or checked on the event loop's
   * thread, the engine's own threads do it when the request runs. Other backends copy as ever; false by default.
   *
   * Leave the arrays and their memory alone until the promise settles. If you write to them earlier, the forecast is made from
   * whatever values were read, old or new. If you detach, transfer or resize their memory, the request rejects with
   * ERR_TFT_INPUT_LENGTH. Neither harms other requests or the process.
   */
  borrow?: boolean | undefined;
  /**
   * A request that has not begun to run after this many milliseconds rejects with ERR_TFT_DEADLINE; on a remote server, one
   * that is not answered by then.
   */
  deadlineMs?: number | undefined;
  /**
   * Puts the quantiles of each step in order: a network may let them cross. False by default: the numbers are PyTorch's.
   */
  sorted?: boolean | undefined;
  /** Keeps the numbers within the target's minimum and maximum in model.json. False by default: the numbers are PyTorch's. */
  clipped?: boolean | undefined;
}

const DEFAULT_QUEUE_LIMIT = 4096;
const count = z.int().positive();

const loadSchema = z.strictObject({
  backend: z.enum(BACKEND_CHOICES).default('auto'),
  precision: z.enum(PRECISIONS).optional(),
  maxBatch: count.optional(),
  queueLimit: count.default(DEFAULT_QUEUE_LIMIT),
  threads: count.optional(),
  nice: z.int().min(0).max(19).default(0),
  quantiles: z.array(z.number().gt(0).lt(1)).min(1).refine(increases, 'must increase').optional(),
  bundle: z.string().min(1).optional(),
  remote: z
    .strictObject({
      apiKey: z
        .string()
        .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII characters')
        .optional(),
      ca: z.union([z.string().min(1), z.instanceof(Buffer)], 'must be text in PEM').optional(),
      timeoutMs: z.number().positive().max(MAX_TIMER_MS).optional(),
      connections: z.int().min(1).max(1024).optional(),
    } satisfies Record<keyof RemoteOptions, unknown>)
    .optional(),
  onnxruntime: z
    .strictObject({
      native: z.boolean().optional(),
      kernels: z.boolean().optional(),
      library: z.string().min(1).optional(),
    } satisfies Record<keyof OnnxRuntimeOptions, unknown>)
    .optional(),
  tensorrt: z
    .strictObject({
      tensorrtPath: z.string().min(1).optional(),
      cudaPath: z.string().min(1).optional(),
      devices: z.array(z.int().nonnegative()).min(1).optional(),
      lanes: z.int().min(1).max(MAX_ADDON_LANES).optional(),
      splitFrom: z.int().min(0).max(1e9).optional(),
      cudaGraphs: z.boolean().optional(),
      poll: z.boolean().optional(),
      allowHostCode: z.boolean().optional(),
    } satisfies Record<keyof TensorRtOptions, unknown>)
    .optional(),
  libtorch: z
    .strictObject({
      library: z.string().min(1).optional(),
      device: z
        .string()
        .regex(/^(?:cpu|cuda:\d{1,3})$/, "must be 'cpu' or a GPU such as 'cuda:0'")
        .optional(),
      threads: z.int().min(1).max(1024).optional(),
    } satisfies Record<keyof LibTorchOptions, unknown>)
    .optional(),
  log: z
    .custom<Log>((value) => typeof value === 'function', 'must be a function')
    .optional()
    .default(() => () => {}),
  verifyHash: z.boolean().default(true),
  explain: z.boolean().default(false),
  cache: z.union([z.string().min(1), z.literal(false)], 'must be a folder or false').optional(),
  build: z.custom<BuildOptions | false>().optional(),
  check: z.boolean().default(true),
  onProgress: z
    .custom<OnBuildProgress>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  signal: z.custom<AbortSignal>(isSignal, 'must be an AbortSignal').optional(),
} satisfies Record<keyof LoadOptions, unknown>);

function increases(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > (values[index - 1] as number));
}

/** Load options with their defaults. @throws TFTError ERR_TFT_OPTION. */
export function checkLoadOptions(options: LoadOptions): z.infer<typeof loadSchema> {
  const result = loadSchema.safeParse(options);
  if (result.success) {
    const { build, maxBatch, tensorrt } = result.data;
    const { versionCompatible } = completeBuildOptions(build || undefined, maxBatch);
    if (versionCompatible && !tensorrt?.allowHostCode) {
      throw new TFTError(
        'ERR_TFT_OPTION',
        'build.versionCompatible: such an engine contains code for the host, the lean runtime; it is only loaded with ' +
          'tensorrt: { allowHostCode: true }',
      );
    }
    return result.data;
  }
  throw new TFTError('ERR_TFT_OPTION', `load options: ${describeIssues(result.error)}`, {
    cause: result.error,
  });
}

/**
 * Checks a prediction's options, by hand: this runs for every request.
 *
 * @param length what `out` must hold.
 * @throws TFTError ERR_TFT_OPTION, ERR_TFT_OUTPUT_BUFFER, ERR_TFT_ABORTED.
 */
export function checkPredictOptions(options: PredictOptions, length: number): PredictOptions {
  if (options === NONE) return options;
  if (typeof options !== 'object' || options === null) {
    throw new TFTError('ERR_TFT_OPTION', `predict options: found ${typeName(options)}, expected an object`);
  }
  const { signal, out, borrow, deadlineMs, sorted, clipped, ...unknown } = options;
  const [surplus] = Object.keys(unknown);
  if (surplus !== undefined) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `predict options: '${surplus}' is unknown; signal, out, borrow, deadlineMs, sorted and clipped are known`,
    );
  }
  for (const [name, value] of [
    ['borrow', borrow] as const,
    ['sorted', sorted] as const,
    ['clipped', clipped] as const,
  ]) {
    if (value !== undefined && typeof value !== 'boolean') {
      throw new TFTError('ERR_TFT_OPTION', `${name}: found ${typeName(value)}, expected true or false`);
    }
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs >= 0)) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `deadlineMs: found ${String(deadlineMs)}, expected milliseconds, 0 or more`,
    );
  }
  if (signal !== undefined && !isSignal(signal)) {
    throw new TFTError('ERR_TFT_OPTION', `signal: found ${typeName(signal)}, expected an AbortSignal`);
  }
  if (out !== undefined) {
    const found = typeName(out);
    if (found !== 'Float32Array' || viewLength(out) !== length) {
      const held = found === 'Float32Array' ? `a Float32Array of ${viewLength(out)}` : found;
      throw new TFTError(
        'ERR_TFT_OUTPUT_BUFFER',
        `out: found ${held}, expected a Float32Array of exactly ${length} values for this request`,
        { details: { found: held, expected: length } },
      );
    }
  }
  return { signal, out, borrow, deadlineMs, sorted, clipped };
}

/** The options of a call without any. */
export const NONE: PredictOptions = Object.freeze({});

/** Checked by its properties, since a signal may come from another realm. */
function isSignal(value: unknown): value is AbortSignalLike {
  return (
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    typeof value.aborted === 'boolean' &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function'
  );
}
