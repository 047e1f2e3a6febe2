// A request from acceptance to its result: collects the results of its parts, and ends early on abort, deadline or
// failure.

import { TFTError } from '../contract/errors.js';
import { emptyValues, type TensorSpec, type Values } from '../contract/tensors.js';
import { viewLength } from '../contract/typed-array.js';
import { type AbortSignalLike, unwatchSignal, watchSignal } from './abort.js';
import { deadlinePassed } from './deadline-passed.js';

/** The options of a request. */
export interface RequestOptions {
  readonly signal?: AbortSignalLike | undefined;
  readonly out?: Float32Array | undefined;
  readonly deadlineMs?: number | undefined;
  /** Whether the caller leaves the inputs unchanged until the promise settles, so that they need not be copied. */
  readonly borrow?: boolean | undefined;
}

/** An array for each of the model's outputs, in its order: the predictions first. */
export type Results = readonly [predictions: Float32Array, ...further: Values[]];

/** A request whose inputs have been copied. */
export class Request {
  /** Resolves with the outputs of all series; the predictions in the caller's `out` if one was given. */
  readonly promise: Promise<Results>;
  readonly series: number;
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
   * @param series the number of series.
   * @param outputs the model's.
   * @param withdraw called when the request fails: removes its waiting parts from the queue.
   * @param results arrays that the backend fills itself, instead of new ones; the option `out` may be one of them.
   */
  constructor(
    series: number,
    outputs: readonly TensorSpec[],
    options: RequestOptions,
    withdraw: (error: TFTError) => void,
    results?: Results,
  ) {
    this.series = series;
    this.#results = results;
    this.#outputs = outputs;
    this.#options = options;
    this.#withdraw = withdraw;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Starts watching the signal and, unless the request runs already, the deadline. */
  watch(): void {
    const { signal, deadlineMs } = this.#options;
    if (signal) watchSignal(signal, this.#fail);
    if (deadlineMs !== undefined && this.#begun === undefined) {
      this.#deadline = performance.now() + deadlineMs;
      this.#timer = setTimeout(() => this.fail(this.#late()), Math.min(deadlineMs, MAX_TIMER_MS));
    }
  }

  /** Called before a part runs. @returns false if the deadline has passed; the request has failed then. */
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
   * Copies the outputs of `count` series from a slab; the first of them is the request's series `from`.
   *
   * @returns whether this completes the request.
   */
  answer(outputs: readonly Values[], slot: number, from: number, count: number): boolean {
    if (this.settled) return false;
    const whole = this.#results === undefined && count === this.series && this.#options.out === undefined;
    if (whole) {
      this.#results = this.#outputs.map(({ size }, index) =>
        (outputs[index] as Values).slice(slot * size, (slot + count) * size),
      ) as unknown as Results;
    } else if (!this.#copy(outputs, slot, from, count)) {
      return false;
    }
    this.#answered += count;
    if (this.#answered < this.series) return false;
    this.finish();
    return true;
  }

  /** Arrays for the outputs of all series: a backend that has them all at once fills these and calls `finish`. */
  get targets(): Results {
    this.#results ??= this.#outputs.map((tensor, index) =>
      index === 0 && this.#options.out ? this.#options.out : emptyValues(tensor, this.series),
    ) as unknown as Results;
    return this.#results;
  }

  /** The outputs of all series are in `targets`. */
  finish(): void {
    if (this.settled) return;
    this.#settle();
    this.#resolve(this.targets);
  }

  /** @returns false if the caller's `out` has been detached or resized; the request has failed then. */
  #copy(outputs: readonly Values[], slot: number, from: number, count: number): boolean {
    for (const [index, { size }] of this.#outputs.entries()) {
      const target = this.targets[index] as Values;
      if (viewLength(target) !== this.series * size) {
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
    return deadlinePassed(this.#options.deadlineMs as number);
  }
}

/** The longest delay that setTimeout takes, about 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
