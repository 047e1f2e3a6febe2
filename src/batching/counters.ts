// Totals of an engine since it was loaded, counted as in Triton's metrics.

import type { DurationCounts } from './durations.js';

/** Totals of an engine since it was loaded, and the current queue. */
export interface EngineCounters extends BackendCounters {
  /** Requests that succeeded, by the time from `predict` to the result; bounds are DURATION_BOUNDS. */
  readonly durations: DurationCounts;
}

/** Totals of a backend. Times are in microseconds, not always whole ones. */
export interface BackendCounters {
  /** Requests that were accepted, including those that have not ended. */
  readonly accepted: number;
  /** Requests by how they ended. */
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Requests that had not begun to run within their deadline. */
  readonly expired: number;
  /** Requests that were not accepted because the queue was full. */
  readonly refused: number;
  /** Series that were forecast: Triton's inference count. */
  readonly servers: number;
  /** Batches run: Triton's execution count. */
  readonly batches: number;
  /** From arrival to the beginning of the run, summed over requests. */
  readonly queueMicroseconds: number;
  /**
   * The times of copying inputs, of running, and of copying results, each summed over requests. A request counts the
   * whole time of its batch: two requests that share a batch of 5 ms count 10 ms, and so does one in two such batches.
   */
  readonly inputMicroseconds: number;
  readonly inferMicroseconds: number;
  readonly outputMicroseconds: number;
  /** Time that runs took, summed over batches. */
  readonly busyMicroseconds: number;
  /** At index n: the number of batches with n series. */
  readonly batchSizes: readonly number[];
  /** Series that wait now. */
  readonly waitingServers: number;
  readonly runningBatches: number;
  /** Only of the backend 'kserve': requests that were sent a second time, to another endpoint where there is one. */
  readonly retries?: number;
}

/** How an accepted request ended. */
export type Ending = 'succeeded' | 'failed' | 'cancelled' | 'expired';

/** How a request with an error of this code ended; without an error it succeeded. */
export function endingOf(code: string | undefined): Ending {
  if (code === undefined) return 'succeeded';
  if (code === 'ERR_TFT_ABORTED') return 'cancelled';
  return code === 'ERR_TFT_DEADLINE' ? 'expired' : 'failed';
}

/** Keeps the totals of a queue. */
export class Tally {
  accepted = 0;
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  expired = 0;
  refused = 0;
  servers = 0;
  batches = 0;
  queueMicroseconds = 0;
  inputMicroseconds = 0;
  inferMicroseconds = 0;
  outputMicroseconds = 0;
  busyMicroseconds = 0;
  readonly batchSizes: number[];

  constructor(maxBatch: number) {
    this.batchSizes = new Array<number>(maxBatch + 1).fill(0);
  }

  /** A request ended with an error of this code. */
  ended(code: string): void {
    this[endingOf(code)]++;
  }

  /** A batch of this many series has run, for this many milliseconds. */
  ran(series: number, milliseconds: number): void {
    this.batches++;
    this.servers += series;
    this.busyMicroseconds += milliseconds * 1000;
    this.batchSizes[series] = (this.batchSizes[series] ?? 0) + 1;
  }

  /** The totals so far, with what waits and runs now. */
  counters(waitingServers: number, runningBatches: number): BackendCounters {
    return { ...this, batchSizes: [...this.batchSizes], waitingServers, runningBatches };
  }
}
