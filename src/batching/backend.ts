// What every backend is to the engine: something that takes requests and answers them (Backend), made of
// something that runs one slab at a time (SlabRunner, under the queue) or scheduling by itself.
import type { AcceptedInputs } from '../contract/inputs.js';
import type { BackendName, Precision } from '../contract/names.js';
import type { EngineCounters } from './counters.js';
import type { RequestOptions, Results } from './request.js';
import type { Slab } from './slab.js';

/** What a backend says of itself. */
export interface BackendInfo {
  readonly name: BackendName;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly precision: Precision | 'unknown';
  readonly threads: number;
  /** Where a TensorRT engine is from: a plan file, the cache, or built just now. */
  readonly engine?: 'file' | 'cache' | 'built';
}

/** Takes requests whose types and lengths are right, copies and checks their values, and answers them. */
export interface Backend {
  readonly info: BackendInfo;
  /** The most servers that run at once. */
  readonly maxBatch: number;
  /** What runs: a file. */
  readonly origin: string;
  /**
   * Takes inputs that run as one request. They are copied when this returns.
   *
   * @param numbered whether an error about one of the inputs names its place in `list`.
   * @returns every output of all series in order; the predictions in `options.out` where it is given.
   * @throws TFTError at once or by rejecting: ERR_TFT_INPUT_VALUE, ERR_TFT_INPUT_CATEGORY, ERR_TFT_CLOSED,
   *   ERR_TFT_QUEUE_FULL, ERR_TFT_ABORTED, ERR_TFT_DEADLINE, and what the runtime fails with.
   */
  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results>;
  /** Runs a request while the caller waits, where the backend can; writes to `out`. */
  runSync?(inputs: AcceptedInputs, out: Float32Array): void;
  /** Sets up what the first runs would, where the backend knows better than running made-up inputs. */
  warmup?(): Promise<void>;
  /** What was done so far; also after `close`. */
  counters(): EngineCounters;
  /** Lets what runs and waits finish, refuses what comes later, and frees the model. Called once. */
  close(): Promise<void>;
}

/** Runs a model on one lane or several side by side. */
export interface SlabRunner {
  readonly info: BackendInfo;
  /** The most runs that the caller may have under way. */
  readonly lanes: number;
  /** The batch that runs best when nothing else is asked for. */
  readonly preferredBatch: number;
  /** The most servers of different requests that are then gathered into one batch. */
  readonly preferredGathered: number;
  /**
   * Runs the first `batch` servers of a slab. The slab belongs to the backend until the promise settles; the
   * one that it resolves with has the same servers' predictions.
   *
   * @throws TFTError ERR_TFT_RUN, ERR_TFT_BACKEND_LOST; the slab is then gone.
   */
  run(slab: Slab, batch: number): Promise<Slab>;
  /** Ends the runner, after the last run has ended. */
  close(): Promise<void>;
}
