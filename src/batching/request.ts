// One caller's wait for a result: gathers the parts, and ends early on abort, deadline or failure.

import { TFTError } from '../contract/errors.js';
import { emptyValues, type TensorSpec, type Values } from '../contract/tensors.js';
import { viewLength } from '../contract/typed-array.js';
import { type AbortSignalLike, unwatchSignal, watchSignal } from './abort.js';

/** How a request may be called off, and where its result goes. */
export interface RequestOptions {
  readonly signal?: AbortSignalLike | undefined;
  readonly out?: Float32Array | undefined;
  readonly deadlineMs?: number | undefined;
}

/** An array for each of the model's outputs, in its order: the predictions first. */
export type Results = readonly [predictions: Float32Array, ...further: Values[]];

/** A request whose inputs are copied already. */
export class Request {
  /** Resolves with the outputs of all series; the predictions in the caller's `out` where one was given. */
  readonly promise: Promise<Results>;
  readonly servers: number;
  /** Whether the promise has settled; nothing is written to `out` afterwards. */
  settled = false;
  readonly #outputs: readonly TensorSpec[];
  readonly #options: RequestOptions;
  readonly #withdraw: (error: TFTError) => void;
  readonly #fail = (error: TFTError) => this.fail(error);
  #resolve!: (results: Results) => void;
  #reject!: (error: unknown) => void;
  #results: Results | undefined;
  #answered = 0;
  readonly #arrived = performance.now();
  #begun: number | undefined;
  #deadline = Infinity;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param servers the number of series.
   * @param outputs the model's.
   * @param withdraw takes what is still waiting of a request that failed with this error out of the queue.
   */
  constructor(
    servers: number,
    outputs: readonly TensorSpec[],
    options: RequestOptions,
    withdraw: (error: TFTError) => void,
  ) {
    this.servers = servers;
    this.#outputs = outputs;
    this.#options = options;
    this.#withdraw = withdraw;
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
      this.#timer = setTimeout(() => this.fail(this.#late()), Math.min(deadlineMs, MAX_TIMER_MS));
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
   * Takes the outputs of `count` series, from the request's series `from` on, out of a slab's.
   *
   * @returns whether the request is answered with that.
   */
  answer(outputs: readonly Values[], slot: number, from: number, count: number): boolean {
    if (this.settled) return false;
    const whole = this.#results === undefined && count === this.servers && this.#options.out === undefined;
    if (whole) {
      this.#results = this.#outputs.map(({ size }, index) =>
        (outputs[index] as Values).slice(slot * size, (slot + count) * size),
      ) as unknown as Results;
    } else if (!this.#copy(outputs, slot, from, count)) {
      return false;
    }
    this.#answered += count;
    if (this.#answered < this.servers) return false;
    this.finish();
    return true;
  }

  /** Where the outputs of all series go, for who has them all at once and then calls `finish`. */
  get targets(): Results {
    this.#results ??= this.#outputs.map((tensor, index) =>
      index === 0 && this.#options.out ? this.#options.out : emptyValues(tensor, this.servers),
    ) as unknown as Results;
    return this.#results;
  }

  /** The outputs of all series are in `targets`. */
  finish(): void {
    if (this.settled) return;
    this.#settle();
    this.#resolve(this.targets);
  }

  /** @returns whether they could be copied: the caller's `out` may have lost its memory, and then this has failed. */
  #copy(outputs: readonly Values[], slot: number, from: number, count: number): boolean {
    for (const [index, { size }] of this.#outputs.entries()) {
      const target = this.targets[index] as Values;
      if (viewLength(target) !== this.servers * size) {
        this.fail(
          new TFTError('ERR_TFT_OUTPUT_BUFFER', '`out` was detached or resized while the request waited'),
        );
        return false;
      }
      target.set((outputs[index] as Values).subarray(slot * size, (slot + count) * size), from * size);
    }
    return true;
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
const MAX_TIMER_MS = 2 ** 31 - 1;
