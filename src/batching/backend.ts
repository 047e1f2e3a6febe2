// The interface between the engine and its backends. A Backend takes requests and answers them. It either schedules
// by itself, or is a SlabRunner, which runs one slab at a time, under a BatchQueue.
import type { AcceptedInputs } from '../contract/inputs.js';
import type { BackendName, Precision } from '../contract/names.js';
import type { BackendCounters } from './counters.js';
import type { RequestOptions, Results } from './request.js';
import type { Slab } from './slab.js';

/** This package's kernels, as far as a model has parts for them. */
export interface Kernels {
  /** The parts of the model that they run: 'preprocess', 'encoder_selection', 'recurrent', 'decoder' and so on. */
  readonly parts: readonly string[];
  /** 'AVX-512', 'AVX2' or 'baseline'. */
  readonly instructions: string;
}

/** A backend's description of itself. */
export interface BackendInfo {
  readonly name: BackendName;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly precision: Precision | 'unknown';
  readonly threads: number;
  /** Of a model on servers: their addresses. */
  readonly endpoints?: readonly string[];
  /** Where a TensorRT engine is from: a plan file, the cache, or built just now. */
  readonly engine?: 'file' | 'cache' | 'built';
  /** With ONNX Runtime: the parts that our kernels run, and the instructions that these are compiled for. */
  readonly kernels?: Kernels;
  /** Whether that engine's forecasts of the bundle's sample windows were compared with PyTorch's. */
  readonly checked?: boolean;
}

/** Takes requests whose types and lengths are right, copies and checks their values, and answers them. */
export interface Backend {
  readonly info: BackendInfo;
  /** The largest number of series in one run. */
  readonly maxBatch: number;
  /** The file that runs. */
  readonly origin: string;
  /** Whether inputs with `options.borrow` are read until the promise settles. Otherwise they are copied as ever. */
  readonly lends: boolean;
  /**
   * Takes inputs that run as one request. They are copied when this returns, unless `options.borrow` lets the backend
   * read them until the promise settles.
   *
   * @param numbered whether an error about one of the inputs names its index in `list`.
   * @returns every output of all series in order; the predictions in `options.out` if it is given.
   * @throws TFTError at once or by rejecting: ERR_TFT_INPUT_VALUE, ERR_TFT_INPUT_CATEGORY, ERR_TFT_CLOSED,
   *   ERR_TFT_QUEUE_FULL, ERR_TFT_ABORTED, ERR_TFT_DEADLINE, and what the runtime fails with.
   */
  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results>;
  /** Runs a request synchronously and writes to `results`. Backends that cannot do so leave it out. */
  runSync?(inputs: AcceptedInputs, results: Results): void;
  /** Does in advance what the first runs would do. Without it the engine runs inputs of zeros instead. */
  warmup?(): Promise<void>;
  /** Totals so far. It may be called after `close`. */
  counters(): BackendCounters;
  /** Finishes running and waiting requests, refuses new ones, then frees the model. Called once. */
  close(): Promise<void>;
}

/** Runs a model on one or several lanes in parallel. */
export interface SlabRunner {
  readonly info: BackendInfo;
  /** The maximum number of concurrent runs. */
  readonly lanes: number;
  /** The default for the largest batch. */
  readonly preferredBatch: number;
  /** With that default, the largest batch that is formed from several requests. */
  readonly preferredGathered: number;
  /**
   * Runs the first `batch` series of a slab. The slab belongs to the backend until the promise settles. The slab that
   * it resolves with has the outputs of the same series.
   *
   * @throws TFTError ERR_TFT_RUN, ERR_TFT_BACKEND_LOST; the slab must not be used afterwards.
   */
  run(slab: Slab, batch: number): Promise<Slab>;
  /** Ends the runner. The last run has ended before. */
  close(): Promise<void>;
}
