// One caller's wait for a result: gathers the parts, and ends early on abort, deadline or failure.

import { TFTError } from '../contract/errors.js';
import { viewLength } from '../contract/typed-array.js';
import { unwatchSignal, watchSignal } from './abort.js';

/** How a request may be called off, and where its result goes. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly out?: Float32Array | undefined;
  readonly deadlineMs?: number | undefined;
}

/** A request whose inputs are copied already. */
export class Request {
  /** Resolves with the predictions of all servers, in the caller's `out` where one was given. */
  readonly promise: Promise<Float32Array>;
  readonly servers: number;
  /** Whether the promise has settled; nothing is written to `out` afterwards. */
  settled = false;
  readonly #width: number;
  readonly #options: RequestOptions;
  readonly #withdraw: (error: TFTError) => void;
  readonly #fail = (error: TFTError) => this.fail(error);
  #resolve!: (predictions: Float32Array) => void;
  #reject!: (error: unknown) => void;
  #result: Float32Array | undefined;
  #answered = 0;
  readonly #arrived = performance.now();
  #begun: number | undefined;
  #deadline = Infinity;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param servers the number of servers.
   * @param width the number of predicted values for each server.
   * @param withdraw takes what is still waiting of a request that failed with this error out of the queue.
   */
  constructor(servers: number, width: number, options: RequestOptions, withdraw: (error: TFTError) => void) {
    this.servers = servers;
    this.#width = width;
    this.#options = options;
    this.#withdraw = withdraw;
    this.#result = options.out;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Listens for the signal and, unless the request has begun at once, for the deadline. */
  watch(): void {
    const { signal, deadlineMs } = this.#options;
    if (signal) watchSignal(signal, this.#fail);
    if (deadlineMs !== undefined && this.#begun === undefined) {
      this.#deadline = performance.now() + deadlineMs;
      this.#timer = setTimeout(() => this.fail(this.#late()), Math.min(deadlineMs, LONGEST_TIMER));
    }
  }

  /** Called before a part runs: false when the request's time is over, and then it has failed. */
  begin(): boolean {
    if (this.#begun !== undefined) return true;
    if (this.#deadline !== Infinity && performance.now() > this.#deadline) {
      this.fail(this.#late());
      return false;
    }
    this.#begun = performance.now();
    clearTimeout(this.#timer);
    return true;
  }

  /** Milliseconds that the request waited before its first part ran; 0 while it waits. */
  get waitedMs(): number {
    return this.#begun === undefined ? 0 : this.#begun - this.#arrived;
  }

  /**
   * Takes the predictions of `count` servers, from the request's server `from` on, out of a slab's.
   *
   * @returns whether the request is answered with that.
   */
  answer(predictions: Float32Array, slot: number, from: number, count: number): boolean {
    if (this.settled) return false;
    const start = slot * this.#width;
    const end = start + count * this.#width;
    if (this.#result === undefined && count === this.servers) {
      this.#result = predictions.slice(start, end);
    } else {
      this.#result ??= new Float32Array(this.servers * this.#width);
      if (viewLength(this.#result) !== this.servers * this.#width) {
        this.fail(
          new TFTError('ERR_TFT_OUTPUT_BUFFER', '`out` was detached or resized while the request waited'),
        );
        return false;
      }
      this.#result.set(predictions.subarray(start, end), from * this.#width);
    }
    this.#answered += count;
    if (this.#answered < this.servers) return false;
    this.finish();
    return true;
  }

  /** Where the predictions of all servers go, for who has them all at once and then calls `finish`. */
  get target(): Float32Array {
    this.#result ??= new Float32Array(this.servers * this.#width);
    return this.#result;
  }

  /** The predictions of all servers are in `target`. */
  finish(): void {
    if (this.settled) return;
    this.#settle();
    this.#resolve(this.target);
  }

  /** Ends the request with an error; its waiting parts leave the queue. */
  fail(error: TFTError): void {
    if (this.settled) return;
    this.#settle();
    this.#withdraw(error);
    this.#reject(error);
  }

  #settle(): void {
    this.settled = true;
    clearTimeout(this.#timer);
    const { signal } = this.#options;
    if (signal) unwatchSignal(signal, this.#fail);
  }

  #late(): TFTError {
    const { deadlineMs } = this.#options;
    return new TFTError('ERR_TFT_DEADLINE', `the request had not begun to run within ${deadlineMs} ms`, {
      details: { deadlineMs },
    });
  }
}

/** The longest delay that setTimeout takes, about 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;
