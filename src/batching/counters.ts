// What an engine has done since it was loaded, in the sense of Triton's metrics.

/** Totals since the engine was loaded, and what waits now. Times are whole or broken microseconds. */
export interface EngineCounters {
  /** Requests that were taken; those under way too. */
  readonly accepted: number;
  /** Requests by how they ended. */
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Not begun within their deadline. */
  readonly expired: number;
  /** Not taken: the queue was full. */
  readonly refused: number;
  /** Servers forecast: Triton's inference count. */
  readonly servers: number;
  /** Batches run: Triton's execution count. */
  readonly batches: number;
  /** From arrival to the beginning of the run, summed over requests. */
  readonly queueMicroseconds: number;
  /**
   * The time of the batch that a request was in, summed over requests: two requests that share a batch of 5 ms
   * count 10 ms, and so does one in two such batches. Handing the inputs over, the run itself, and taking the result.
   */
  readonly inputMicroseconds: number;
  readonly inferMicroseconds: number;
  readonly outputMicroseconds: number;
  /** Time that runs took, summed over batches. */
  readonly busyMicroseconds: number;
  /** At place n: batches with n servers. */
  readonly batchSizes: readonly number[];
  /** Servers that wait now. */
  readonly waitingServers: number;
  readonly runningBatches: number;
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
    if (code === 'ERR_TFT_ABORTED') this.cancelled++;
    else if (code === 'ERR_TFT_DEADLINE') this.expired++;
    else this.failed++;
  }

  /** A batch of `servers` has run for so many milliseconds. */
  ran(servers: number, milliseconds: number): void {
    this.batches++;
    this.servers += servers;
    this.busyMicroseconds += milliseconds * 1000;
    this.batchSizes[servers] = (this.batchSizes[servers] ?? 0) + 1;
  }
}
