// Declares every function of the native addon and the types of its arguments and results (cpp/binding/addon.cpp is the
// other side). Every option here must be one that C++ reads: test/unit/error-codes.test.ts compares them.

/** Where to look for the libraries; see LoadOptions.tensorrt. */
export interface NativeLibraryOptions {
  readonly cudaPath?: string | undefined;
  readonly tensorrtPath?: string | undefined;
  /** Take TensorRT for RTX and no other. */
  readonly rtx?: boolean | undefined;
  /** Look for TensorRT even if CUDA cannot be used. */
  readonly survey?: boolean | undefined;
  /** Look for TensorRT alone: enough to build for `targets`, not to run. */
  readonly withoutCuda?: boolean | undefined;
}

/** How a plan is opened for inspection. */
export interface NativeInspectOptions extends NativeLibraryOptions {
  readonly allowHostCode?: boolean | undefined;
}

/** A tensor of the core's ModelShape. */
export interface NativeTensor {
  readonly name: string;
  readonly type: 'float32' | 'int32';
  /** The shape without the batch. */
  readonly item: readonly number[];
  /** The number of codes of each channel of categories. Without them any integer is valid. */
  readonly codes?: readonly number[] | undefined;
}

/** A model's tensors. A build compares them with the parsed network, loading with the plan. */
export interface NativeShape {
  readonly inputs: readonly NativeTensor[];
  readonly outputs?: readonly NativeTensor[] | undefined;
  /** The only output, instead of `outputs`. */
  readonly output?: NativeTensor | undefined;
  /** The number of codes of each channel, for inputs of integers without codes of their own. */
  readonly codes?: readonly number[] | undefined;
}

/** A plan, and what it may contain and need. */
export interface NativePlanOptions extends NativeLibraryOptions {
  readonly plan: string;
  readonly allowHostCode?: boolean | undefined;
  /** Libraries with plugins, loaded before the plan. */
  readonly plugins?: readonly string[] | undefined;
}

/** The options of loading an engine. The core has the defaults. */
export interface NativeLoadOptions extends NativePlanOptions, NativeShape {
  readonly devices?: readonly number[] | undefined;
  readonly lanes?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly queueLimit: number;
  readonly splitFrom?: number | undefined;
  readonly cudaGraphs?: boolean | undefined;
  readonly poll?: boolean | undefined;
  /** What `close` gave after an earlier run of the plan on a GPU of this kind. One of another version is ignored with a warning. */
  readonly runtimeCache?: Uint8Array | undefined;
}

/** The options of loading an ONNX file. */
export interface NativeOnnxRuntimeOptions extends NativeShape {
  readonly onnx: string;
  /** libonnxruntime.so.1 or its folder. */
  readonly library: string;
  readonly lanes?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly queueLimit: number;
  /** By how much the priority of the computing threads is lower than the caller's. */
  readonly nice?: number | undefined;
  /** Whether the addon's kernels run the parts of the model that they support; true. */
  readonly kernels?: boolean | undefined;
}

/** The options of loading a TorchScript module. */
export interface NativeTorchScriptOptions extends NativeShape {
  readonly module: string;
  /** libtft_libtorch.so or its folder. */
  readonly library?: string | undefined;
  /** 'cpu', 'cuda:0' … */
  readonly device: string;
  /** The threads that share one run on the CPU; 1. */
  readonly threads?: number | undefined;
  readonly lanes?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly queueLimit: number;
}

/** The library that runs LibTorch, and LibTorch's version. */
export interface NativeLibTorch {
  readonly path: string;
  readonly version: string;
}

/** A file, or a name for the dynamic loader, that was tried. */
export interface LibraryAttempt {
  readonly library: 'cuda' | 'tensorrt' | 'parser';
  readonly path: string;
  readonly source: string;
  readonly taken: boolean;
  /** Why it was not taken; empty if it was. */
  readonly problem: string;
}

/** A GPU. */
export interface NativeDevice {
  readonly index: number;
  readonly name: string;
  readonly computeCapability: string;
  readonly memoryBytes: number;
}

/** What the loader found. Strings are empty and numbers 0 for what is missing. */
export interface LibraryReport {
  readonly cudaPath: string;
  /** The newest CUDA that the driver runs, 13000 for 13.0. */
  readonly cudaVersion: number;
  readonly devices: readonly NativeDevice[];
  readonly tensorrtPath: string;
  readonly tensorrtVersion: string;
  readonly lean: boolean;
  /** Whether it is TensorRT for RTX, whose versions count for themselves. */
  readonly rtx: boolean;
  readonly parserPath: string;
  /** What to know of this TensorRT before it is used; empty if nothing. */
  readonly warning: string;
  readonly attempts: readonly LibraryAttempt[];
  /** Why no plan can be run. */
  readonly problem?: { readonly code: string; readonly message: string };
}

/** The tensors and the largest batch of a plan. */
export interface PlanReport {
  readonly tensors: readonly {
    readonly name: string;
    readonly input: boolean;
    readonly type: string;
    /** With the batch first; -1 for a dimension that varies. */
    readonly shape: readonly number[];
  }[];
  readonly maxBatch: number;
}

/** The batch sizes of one optimisation profile, the same for all inputs. */
export interface NativeProfile {
  readonly min: number;
  readonly opt: number;
  readonly max: number;
}

/** The options of building a plan. The core has the defaults, which are named here. */
export interface NativeBuildOptions extends NativeLibraryOptions, NativeShape {
  /** The path of an ONNX file. */
  readonly onnx: string;
  /** CUDA's number; 0. */
  readonly device?: number | undefined;
  /** Compute capabilities (89 for 8.9) to build for by TensorRT for RTX, without CUDA and without `device`. */
  readonly targets?: readonly number[] | undefined;
  /** At least one. */
  readonly profiles: readonly NativeProfile[];
  /** Whether the ONNX graph alone determines the precision of each layer. TensorRT 11 requires true. */
  readonly stronglyTyped?: boolean | undefined;
  /** Builder flags of weakly typed networks, on TensorRT 10 only. */
  readonly fp16?: boolean | undefined;
  readonly int8?: boolean | undefined;
  /** Whether FP32 may be computed in TF32; false. */
  readonly tf32?: boolean | undefined;
  /** 4 GiB. */
  readonly workspaceBytes?: number | undefined;
  /** 0 … 5; 3. */
  readonly optimizationLevel?: number | undefined;
  /** The plan also runs on later versions of the same major version; it contains host code (`allowHostCode`) … */
  readonly versionCompatible?: boolean | undefined;
  /** … unless this excludes that code: then only the version that built the plan runs it. */
  readonly excludeLeanRuntime?: boolean | undefined;
  readonly hardwareCompatibility?: 'none' | 'ampere+' | 'sameComputeCapability' | undefined;
  readonly refittable?: boolean | undefined;
  /** Whether this library's CUDA kernels run the parts of the model that they support; true. */
  readonly kernels?: boolean | undefined;
  /** Whether the plan keeps the layers' details for inspectEngine; true. */
  readonly detailedLayers?: boolean | undefined;
  /** From an earlier build. One of another version is ignored with a warning. */
  readonly timingCache?: Uint8Array | undefined;
  /** Plugin libraries, which are loaded before the file is parsed. */
  readonly plugins?: readonly string[] | undefined;
}

/** The result of a build. */
export interface NativeBuild {
  readonly plan: Uint8Array;
  readonly timingCache: Uint8Array;
  /** The parts of the model that the addon's own kernels run; the plan needs them. */
  readonly fused: readonly string[];
  /** The layers that the parser made, with the type of each's output; only of a build for `targets`. */
  readonly network: readonly { readonly name: string; readonly type: string }[];
  /** The inputs and outputs of the parsed network; only of a build for `targets`. */
  readonly tensors: PlanReport['tensors'];
}

/** The kernels in the addon; one version runs the plans that were built with it. */
export interface NativeKernels {
  readonly version: string;
  /** SHA-256 of the image. */
  readonly hash: string;
}

/** A finished step of one of TensorRT's nested phases. The last step of a phase has done = steps. */
export interface NativeBuildProgress {
  readonly phase: string;
  /** The phase that contains this one; empty for the outermost. */
  readonly parent: string;
  readonly done: number;
  readonly steps: number;
}

/** A running build. */
export interface NativeBuilder {
  readonly result: Promise<NativeBuild>;
  /** Makes the build end soon with ERR_TFT_ABORTED; has no effect after its end. */
  cancel(): void;
}

/** TensorRT's full report on a plan. */
export interface NativeEngineReport {
  readonly tensorrtVersion: string;
  /** The network's name; often empty. */
  readonly name: string;
  readonly tensors: PlanReport['tensors'];
  readonly profiles: readonly NativeProfile[];
  /** The JSON text of TensorRT's inspector. */
  readonly layers: string;
  /** The maximum over the profiles. */
  readonly activationBytes: number;
  /** The device memory that deserializing took. */
  readonly weightsBytes: number;
  readonly planBytes: number;
}

/** The options of measuring. The core has the defaults, which are trtexec's. */
export interface NativeMeasureOptions extends NativeLibraryOptions {
  readonly plan: string;
  readonly batch: number;
  /** CUDA's number; 0. */
  readonly device?: number | undefined;
  /** The number of concurrent batches, each with its own stream and context; 1. */
  readonly streams?: number | undefined;
  /** 200. */
  readonly warmUpMs?: number | undefined;
  /** The minimum; 3000. */
  readonly durationMs?: number | undefined;
  /** The minimum over all streams together; 10. */
  readonly iterations?: number | undefined;
  /** Runs the computation, without the copies, as a CUDA graph; false. */
  readonly cudaGraph?: boolean | undefined;
  /** Copies inputs and outputs in each iteration; true. */
  readonly dataTransfers?: boolean | undefined;
  /** Waits by polling: adds less to the measured times and occupies a core for each stream; false. */
  readonly spinWait?: boolean | undefined;
  readonly allowHostCode?: boolean | undefined;
  readonly plugins?: readonly string[] | undefined;
  /** Adds a separate run in which each layer is timed; false. */
  readonly layerProfile?: boolean | undefined;
}

/** The times of runs with generated inputs. */
export interface NativeMeasured {
  readonly batch: number;
  readonly iterations: number;
  /** From the start of the first iteration to the end of the last one, without the warm-up. */
  readonly wallMs: number;
  /**
   * Seven numbers for each iteration, in milliseconds, in order of start: start since the first one's, enqueue (on
   * the CPU), copy in, computation, copy out, their sum (the latency), end.
   */
  readonly samples: Float64Array;
  /** Whether the computation ran as a CUDA graph. */
  readonly graph: boolean;
  /** The kernels, copies and fills that the graph launches; 0 without one. */
  readonly graphNodes: number;
  /** In the network's order; with `layerProfile` only. */
  readonly layers?: readonly { readonly name: string; readonly averageMs: number; readonly calls: number }[];
}

/** A running measurement. */
export interface NativeMeasurement {
  readonly result: Promise<NativeMeasured>;
  /** Makes the measurement end soon with ERR_TFT_ABORTED; has no effect after its end. */
  cancel(): void;
}

/** A GPU as NVIDIA's management library (NVML) reports it. Values that it does not report are absent. */
export interface GpuStatus {
  /** "GPU-…", the same in every program; the list's order is not CUDA's. */
  readonly uuid: string;
  readonly name: string;
  /** The share of the last sampling period in which a kernel ran, 0 to 1. */
  readonly utilization?: number;
  readonly powerWatts?: number;
  readonly powerLimitWatts?: number;
  /** The total since the driver was loaded. */
  readonly energyJoules?: number;
  readonly memoryTotalBytes?: number;
  readonly memoryUsedBytes?: number;
}

/** The properties of a loaded engine. */
export interface NativeEngineInfo {
  readonly tensorrtPath: string;
  readonly tensorrtVersion: string;
  readonly lean: boolean;
  readonly rtx: boolean;
  readonly cudaPath: string;
  readonly cudaVersion: number;
  readonly devices: readonly {
    readonly device: NativeDevice;
    readonly lanes: number;
    readonly weightsBytes: number;
    readonly activationBytes: number;
    readonly bufferBytes: number;
  }[];
  readonly maxBatch: number;
  readonly buckets: readonly number[];
  readonly pinnedBytes: number;
  readonly planBytes: number;
  readonly cudaGraphs: boolean;
  /** With ONNX Runtime: the parts of the model that the addon's kernels run. */
  readonly kernels: readonly string[];
  /** The instructions that these are compiled for, such as 'AVX-512'; empty without kernels. */
  readonly instructions: string;
}

/** Totals since the engine was loaded. */
export interface NativeCounters {
  readonly accepted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly refused: number;
  readonly series: number;
  readonly batches: number;
  readonly graphLaunches: number;
  readonly plainLaunches: number;
  readonly captures: number;
  readonly captureFailures: number;
  readonly queueMicroseconds: number;
  readonly copyInMicroseconds: number;
  readonly runMicroseconds: number;
  readonly copyOutMicroseconds: number;
  /** At index n: the number of batches with n series. */
  readonly batchSizes: readonly number[];
  readonly waitingSeries: number;
  readonly runningBatches: number;
}

/** Receives the log of the core and of TensorRT. */
export type NativeLog = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;

/** Identifies a request from `submit` until `take`. The number is reused afterwards. */
export type Handle = number;

/** One engine. Errors thrown have the core's `code`; errors.ts makes TFTErrors of them. */
export interface NativeEngine {
  /** The handles of ended requests, for `deliver`. */
  readonly done: Uint32Array;
  /** Set by the owner: the first `count` requests in `done` have ended, and each must be taken. */
  deliver?: (count: number) => void;
  /** Set by the owner: receives the engine's log. */
  log?: NativeLog;
  /** Copies and checks a request, with inputs in the model's order; a negative deadline means none. */
  submit(deadlineMs: number, ...inputs: readonly (Float32Array | Int32Array)[]): Handle;
  /**
   * The same for a request in several parts: the inputs of the first part, then those of the second … With `borrow`
   * nothing is copied or checked here, and the list and its arrays are kept until `take`. The caller must not change the
   * list, and must check after `take` that no array was detached meanwhile. With `targets`, an array for each output,
   * engine threads write the result there at any time until `take`: they must be arrays that no caller has yet.
   */
  submitAll(
    deadlineMs: number,
    inputs: readonly (Float32Array | Int32Array)[],
    borrow?: boolean,
    targets?: readonly Float32Array[],
  ): Handle;
  /**
   * Copies a delivered result, each output to its target, or discards it if the first target is undefined. Nothing is
   * copied if the request had `targets`. Returns the request's error if it failed.
   */
  take(handle: Handle, ...targets: readonly (Float32Array | undefined)[]): Error | undefined;
  /** Cancels a request. Returns whether it had not ended. It is delivered in either case. */
  cancel(handle: Handle): boolean;
  /** Blocks. The inputs in the model's order, then an array for each output. */
  predict(...arrays: readonly (Float32Array | Int32Array)[]): void;
  /** Runs every bucket on every lane. */
  warmup(): Promise<void>;
  /**
   * Finishes and delivers what was accepted, then frees everything.
   *
   * @returns the kernels that TensorRT for RTX compiled, for `runtimeCache`; otherwise nothing.
   */
  close(): Promise<Uint8Array>;
  info(): NativeEngineInfo;
  counters(): NativeCounters;
}

/** The addon. */
export interface Addon {
  loadLibraries(options: NativeLibraryOptions): Promise<LibraryReport>;
  inspectPlan(options: NativePlanOptions): Promise<PlanReport>;
  /** The same and the details of all layers. */
  inspectEngine(options: NativePlanOptions): Promise<NativeEngineReport>;
  /**
   * Builds a plan. It rejects with ERR_TFT_BUILD if the parser refuses (with node, operator and file line) or the builder
   * does (with TensorRT's message), ERR_TFT_PLAN_MISMATCH if the network is not the model's, ERR_TFT_ABORTED,
   * ERR_TFT_OUT_OF_MEMORY, ERR_TFT_OPTION, ERR_TFT_UNSUPPORTED for options that TensorRT 11 has removed,
   * ERR_TFT_TENSORRT_NOT_FOUND if the parser or the builder is missing, and as loading does.
   */
  build(
    options: NativeBuildOptions,
    log: NativeLog,
    progress: (progress: NativeBuildProgress) => void,
  ): NativeBuilder;
  /** undefined in a build of the addon without kernels. */
  kernels(): NativeKernels | undefined;
  /** Measures as trtexec does. It rejects as loading and running do. */
  measure(options: NativeMeasureOptions, log: NativeLog): NativeMeasurement;
  /** `log` receives the log until the promise settles; afterwards the engine's own `log` does. */
  load(options: NativeLoadOptions, log: NativeLog): Promise<NativeEngine>;
  /** The same for an ONNX file, run by ONNX Runtime on the CPU. Missing in a build that could not fetch what it needs. */
  loadOnnxRuntime?(options: NativeOnnxRuntimeOptions, log: NativeLog): Promise<NativeEngine>;
  /** The same for a TorchScript module. */
  loadTorchScript(options: NativeTorchScriptOptions, log: NativeLog): Promise<NativeEngine>;
  /** Opens the library that runs LibTorch; without a name the core looks for it. */
  openLibTorch(library?: string): Promise<NativeLibTorch>;
  /** Every GPU of the machine; none if NVML is missing. `library` is libnvidia-ml.so.1 by default. */
  gpuStatus(library?: string): Promise<GpuStatus[]>;
  /** Passes Node's setImmediate, with which many results are delivered over several turns of the event loop. */
  useImmediate(setImmediate: (callback: () => void) => unknown): void;
  /** Closes every engine of this thread immediately, and blocks until that is done. For the exit of the process. */
  shutDown(): void;
}
