// What every backend is to the engine: something that runs one slab at a time.
import type { Slab } from '../slab.js';

/** What can run a model. */
export type BackendName = 'onnxruntime' | 'tensorrt' | 'libtorch' | 'kserve';
/** The arithmetic that a model runs in. */
export type Precision = 'fp32' | 'fp16' | 'int8';

/** A line of the engine's log. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}
/** Receives the engine's log. */
export type Log = (entry: LogEntry) => void;

/** What a backend says of itself. */
export interface BackendInfo {
  readonly name: BackendName;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly precision: Precision;
  readonly threads: number;
}

/** Runs a model. The caller waits for one run's end before it starts the next. */
export interface Backend {
  readonly info: BackendInfo;
  /** The batch that runs best when nothing else is asked for. */
  readonly preferredBatch: number;
  /**
   * Runs the first `batch` servers of a slab. The slab belongs to the backend until the promise settles; the
   * one that it resolves with has the same servers' predictions.
   *
   * @throws TFTError ERR_TFT_RUN, ERR_TFT_BACKEND_LOST; the slab is then gone.
   */
  run(slab: Slab, batch: number): Promise<Slab>;
  /** Ends the backend, after the last run has ended. */
  close(): Promise<void>;
}
