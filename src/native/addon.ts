// Every function of the native addon and the shapes of what goes in and out (cpp/binding/addon.cpp has the other
// side). Only the backend and `tft doctor` call these.

/** Where the libraries are looked for; see LoadOptions.tensorrt. */
export interface NativeLibraryOptions {
  readonly cudaPath?: string | undefined;
  readonly tensorrtPath?: string | undefined;
  /** Looks for TensorRT even where CUDA cannot be used. */
  readonly survey?: boolean;
}

/** How a plan is opened to be looked at. */
export interface NativeInspectOptions extends NativeLibraryOptions {
  readonly allowHostCode?: boolean | undefined;
}

/** A tensor as the core's ModelShape has it. */
export interface NativeTensor {
  readonly name: string;
  readonly type: 'float32' | 'int32';
  /** Without the batch. */
  readonly item: readonly number[];
}

/** What an engine is loaded with. Numbers left out are the core's defaults. */
export interface NativeLoadOptions extends NativeLibraryOptions {
  readonly plan: string;
  readonly inputs: readonly NativeTensor[];
  readonly output: NativeTensor;
  /** The number of codes of each category. */
  readonly codes: readonly number[];
  readonly devices?: readonly number[] | undefined;
  readonly lanes?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly queueLimit: number;
  readonly cudaGraphs?: boolean | undefined;
  readonly poll?: boolean | undefined;
  readonly allowHostCode?: boolean | undefined;
}

/** One file, or name given to the loader, that was tried. */
export interface LibraryAttempt {
  readonly library: 'cuda' | 'tensorrt' | 'parser';
  readonly path: string;
  readonly source: string;
  readonly taken: boolean;
  /** Why not; empty if it was taken. */
  readonly problem: string;
}

/** A GPU. */
export interface NativeDevice {
  readonly index: number;
  readonly name: string;
  readonly computeCapability: string;
  readonly memoryBytes: number;
}

/** What the loader found; strings are empty and numbers 0 where there is nothing to say. */
export interface LibraryReport {
  readonly cudaPath: string;
  /** The newest CUDA that the driver runs, 13000 for 13.0. */
  readonly cudaVersion: number;
  readonly devices: readonly NativeDevice[];
  readonly tensorrtPath: string;
  readonly tensorrtVersion: string;
  readonly lean: boolean;
  readonly parserPath: string;
  readonly attempts: readonly LibraryAttempt[];
  /** What is in the way of running a plan. */
  readonly problem?: { readonly code: string; readonly message: string };
}

/** What a plan says of itself. */
export interface PlanReport {
  readonly tensors: readonly {
    readonly name: string;
    readonly input: boolean;
    readonly type: string;
    /** With the batch first; -1 for what varies. */
    readonly shape: readonly number[];
  }[];
  readonly maxBatch: number;
}

/** Batches that one optimisation profile is for; the same on all four inputs. */
export interface NativeProfile {
  readonly min: number;
  readonly opt: number;
  readonly max: number;
}

/** What a plan is built from and how. Options left out are the core's defaults. */
export interface NativeBuildOptions extends NativeLibraryOptions {
  /** The path of an ONNX file. */
  readonly onnx: string;
  /** CUDA's number; 0. */
  readonly device?: number | undefined;
  /** Held against the parsed network before anything is built. */
  readonly inputs: readonly NativeTensor[];
  readonly output: NativeTensor;
  /** At least one. */
  readonly profiles: readonly NativeProfile[];
  /** True: the ONNX graph alone says which precision is where. False only on TensorRT 10. */
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
  /** Runs on later versions of the same major one; then code for the host is in the plan (`allowHostCode`) … */
  readonly versionCompatible?: boolean | undefined;
  /** … unless this leaves it out: then only the version that built it runs such a plan. */
  readonly excludeLeanRuntime?: boolean | undefined;
  readonly hardwareCompatibility?: 'none' | 'ampere+' | 'sameComputeCapability' | undefined;
  readonly refittable?: boolean | undefined;
  /** Whether the plan keeps what inspectEngine tells of layers; true. */
  readonly detailedLayers?: boolean | undefined;
  /** From an earlier build; one of another version is ignored, with a warning. */
  readonly timingCache?: Uint8Array | undefined;
  /** Libraries with plugins, loaded before the file is parsed. */
  readonly plugins?: readonly string[] | undefined;
}

/** What a build makes. */
export interface NativeBuild {
  readonly plan: Uint8Array;
  readonly timingCache: Uint8Array;
}

/** One step of one of TensorRT's phases, which lie in one another. The last of a phase has done = steps. */
export interface NativeBuildProgress {
  readonly phase: string;
  /** The phase that this one is part of; empty if of none. */
  readonly parent: string;
  readonly done: number;
  readonly steps: number;
}

/** A build under way. */
export interface NativeBuilder {
  readonly result: Promise<NativeBuild>;
  /** Makes the build end soon, with ERR_TFT_ABORTED; nothing when it has ended. */
  cancel(): void;
}

/** Everything that TensorRT tells of a plan. */
export interface NativeEngineReport {
  readonly tensorrtVersion: string;
  /** The network's name; often empty. */
  readonly name: string;
  readonly tensors: PlanReport['tensors'];
  readonly profiles: readonly NativeProfile[];
  /** The inspector's JSON text, as TensorRT gives it. */
  readonly layers: string;
  /** Of the profile that needs most. */
  readonly activationBytes: number;
  /** What deserializing took of the device's free memory. */
  readonly weightsBytes: number;
  readonly planBytes: number;
}

/** What is measured and how. Options left out are the core's defaults, which are trtexec's. */
export interface NativeMeasureOptions extends NativeLibraryOptions {
  readonly plan: string;
  readonly batch: number;
  /** CUDA's number; 0. */
  readonly device?: number | undefined;
  /** Batches under way at once, each on a stream and context of its own; 1. */
  readonly streams?: number | undefined;
  /** 200. */
  readonly warmUpMs?: number | undefined;
  /** The least; 3000. */
  readonly durationMs?: number | undefined;
  /** The fewest, on all streams together; 10. */
  readonly iterations?: number | undefined;
  /** Runs the computation, without the copies, as a CUDA graph; false. */
  readonly cudaGraph?: boolean | undefined;
  /** Copies inputs and outputs in each iteration; true. */
  readonly dataTransfers?: boolean | undefined;
  /** Waits by polling, which adds less to what is measured, for a core of each stream; false. */
  readonly spinWait?: boolean | undefined;
  readonly allowHostCode?: boolean | undefined;
  /** Adds a run of its own, in which each layer is timed; false. */
  readonly layerProfile?: boolean | undefined;
}

/** Times of runs with made-up inputs. */
export interface NativeMeasured {
  readonly batch: number;
  readonly iterations: number;
  /** From the first iteration's start to the last one's end, warm-up not counted. */
  readonly wallMs: number;
  /**
   * Seven numbers for each iteration, in milliseconds, in order of start: start since the first one's, enqueue (on
   * the CPU), copy in, computation, copy out, their sum (the latency), end.
   */
  readonly samples: Float64Array;
  /** Whether the computation ran as a CUDA graph. */
  readonly graph: boolean;
  /** In the network's order; with `layerProfile` only. */
  readonly layers?: readonly { readonly name: string; readonly averageMs: number; readonly calls: number }[];
}

/** A measurement under way. */
export interface NativeMeasurement {
  readonly result: Promise<NativeMeasured>;
  /** Makes it end soon, with ERR_TFT_ABORTED; nothing when it has ended. */
  cancel(): void;
}

/** A GPU by NVIDIA's management library (NVML); what it does not tell is absent. */
export interface GpuStatus {
  /** "GPU-…", the same in every program; the list's order is not CUDA's. */
  readonly uuid: string;
  readonly name: string;
  /** 0 to 1: the share of the last moment in which a kernel ran. */
  readonly utilization?: number;
  readonly powerWatts?: number;
  readonly powerLimitWatts?: number;
  /** Since the driver was loaded. */
  readonly energyJoules?: number;
  readonly memoryTotalBytes?: number;
  readonly memoryUsedBytes?: number;
}

/** What really runs. */
export interface NativeEngineInfo {
  readonly tensorrtPath: string;
  readonly tensorrtVersion: string;
  readonly lean: boolean;
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
}

/** Totals since the engine was loaded. */
export interface NativeCounters {
  readonly accepted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly refused: number;
  readonly servers: number;
  readonly batches: number;
  readonly graphLaunches: number;
  readonly plainLaunches: number;
  readonly captures: number;
  readonly captureFailures: number;
  readonly queueMicroseconds: number;
  readonly copyInMicroseconds: number;
  readonly runMicroseconds: number;
  readonly copyOutMicroseconds: number;
  /** [n]: batches with n servers. */
  readonly batchSizes: readonly number[];
  readonly waitingServers: number;
  readonly runningBatches: number;
}

/** Receives what the core and TensorRT say. */
export type NativeLog = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;

/** Stands for a request from `submit` until `take`; the number is used again afterwards. */
export type Handle = number;

/** The arrays of a request, in the order of `inputs` of {@link NativeLoadOptions}. */
export type NativeInputs = readonly [Float32Array, Int32Array, Float32Array, Int32Array];

/** One engine. Errors thrown have the core's `code`; errors.ts makes TFTErrors of them. */
export interface NativeEngine {
  /** The handles that `deliver` is about. */
  readonly done: Uint32Array;
  /** Set by the owner: the first `count` requests in `done` have ended, and each must be taken. */
  deliver?: (count: number) => void;
  /** Set by the owner: receives the engine's log. */
  log?: NativeLog;
  /** Copies and checks a request; a negative deadline is none. */
  submit(deadlineMs: number, ...inputs: NativeInputs): Handle;
  /** The same for a request in several parts: four arrays of the first part, four of the second … */
  submitAll(deadlineMs: number, arrays: readonly (Float32Array | Int32Array)[]): Handle;
  /** Copies a result that was delivered, or throws it away. Returns the error that came instead, if any. */
  take(handle: Handle, target: Float32Array | undefined): Error | undefined;
  /** Whether the request was still under way; it is delivered all the same. */
  cancel(handle: Handle): boolean;
  /** Blocks until the result is in `out`. */
  predict(...inputsAndOut: readonly [...NativeInputs, Float32Array]): void;
  /** Runs every bucket on every lane. */
  warmup(): Promise<void>;
  /** Lets what was accepted finish, delivers it, and frees everything. */
  close(): Promise<void>;
  info(): NativeEngineInfo;
  counters(): NativeCounters;
}

/** The addon. */
export interface Addon {
  loadLibraries(options: NativeLibraryOptions): Promise<LibraryReport>;
  inspectPlan(options: NativeInspectOptions & { readonly plan: string }): Promise<PlanReport>;
  /** As above, and all that TensorRT tells of layers. */
  inspectEngine(options: NativeInspectOptions & { readonly plan: string }): Promise<NativeEngineReport>;
  /**
   * Builds a plan. It rejects with ERR_TFT_BUILD where parser (with node, operator and file line) or builder (in
   * TensorRT's own words) refuse, ERR_TFT_PLAN_MISMATCH where the network is not the model's, ERR_TFT_ABORTED,
   * ERR_TFT_OUT_OF_MEMORY, ERR_TFT_OPTION, ERR_TFT_UNSUPPORTED for what TensorRT 11 has no more,
   * ERR_TFT_TENSORRT_NOT_FOUND where parser or builder lack, and as loading does.
   */
  build(
    options: NativeBuildOptions,
    log: NativeLog,
    progress: (progress: NativeBuildProgress) => void,
  ): NativeBuilder;
  /** Measures as trtexec does. It rejects as loading and running do. */
  measure(options: NativeMeasureOptions, log: NativeLog): NativeMeasurement;
  /** `log` receives what is said until the promise settles, and the engine's own `log` the rest. */
  load(options: NativeLoadOptions, log: NativeLog): Promise<NativeEngine>;
  /** Every GPU of the machine, none where NVML lacks. `library` is libnvidia-ml.so.1 unless said otherwise. */
  gpuStatus(library?: string): Promise<GpuStatus[]>;
  /** Node's setImmediate: results that are many are handed over in several turns of the event loop. */
  useImmediate(setImmediate: (callback: () => void) => unknown): void;
  /** Closes every engine of this thread, at once and blocking: for the process's exit. */
  shutDown(): void;
}
