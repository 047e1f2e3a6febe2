// Every function of the native addon and the shapes of what goes in and out (cpp/binding/addon.cpp has the other
// side). Only the backend and `tft doctor` call these.

/** Where the libraries are looked for; see LoadOptions.tensorrt. */
export interface NativeLibraryOptions {
  readonly cudaPath?: string | undefined;
  readonly tensorrtPath?: string | undefined;
  /** Looks for TensorRT even where CUDA cannot be used. */
  readonly survey?: boolean;
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

/** Stands for a request from `submit` until `take`; the number is used again afterwards. */
export type Handle = number;

/** One engine. Errors thrown have the core's `code`; errors.ts makes TFTErrors of them. */
export interface NativeEngine {
  /** The handles that `deliver` is about. */
  readonly done: Uint32Array;
  /** Set by the owner: the first `count` requests in `done` have ended, and each must be taken. */
  deliver?: (count: number) => void;
  /** Set by the owner: receives the engine's log. */
  log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
  /** Copies and checks a request; a negative deadline is none. */
  submit(
    deadlineMs: number,
    encoderCont: Float32Array,
    encoderCat: Int32Array,
    decoderCont: Float32Array,
    decoderCat: Int32Array,
  ): Handle;
  /** The same for a request in several parts: four arrays of the first part, four of the second … */
  submitAll(deadlineMs: number, arrays: readonly (Float32Array | Int32Array)[]): Handle;
  /** Copies a result that was delivered, or throws it away. Returns the error that came instead, if any. */
  take(handle: Handle, target: Float32Array | undefined): Error | undefined;
  /** Whether the request was still under way; it is delivered all the same. */
  cancel(handle: Handle): boolean;
  /** Blocks until the result is in `out`. */
  predict(
    encoderCont: Float32Array,
    encoderCat: Int32Array,
    decoderCont: Float32Array,
    decoderCat: Int32Array,
    out: Float32Array,
  ): void;
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
  inspectPlan(
    options: NativeLibraryOptions & { plan: string; allowHostCode?: boolean | undefined },
  ): Promise<PlanReport>;
  /** `log` receives what is said until the promise settles, and the engine's own `log` the rest. */
  load(options: NativeLoadOptions, log: NonNullable<NativeEngine['log']>): Promise<NativeEngine>;
  /** Node's setImmediate: results that are many are handed over in several turns of the event loop. */
  useImmediate(setImmediate: (callback: () => void) => unknown): void;
  /** Closes every engine of this thread, at once and blocking: for the process's exit. */
  shutDown(): void;
}
