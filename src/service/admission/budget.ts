// Limits the memory of requests and responses in progress: a request that would exceed it is refused.
import { type HttpError, refusal } from '../http/http-error.js';

/** Counts the bytes of all requests in progress: bodies, their parsed form, and responses not yet received. */
export class ByteBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** The bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** Whether the next request would be refused. */
  get isSpent(): boolean {
    return this.#used >= this.limit;
  }

  /** ERR_TFT_HTTP_OVERLOADED if requests use all; undefined if they do not. */
  get refusal(): HttpError | undefined {
    return this.isSpent ? this.#refusal() : undefined;
  }

  /**
   * @param own bytes that the calling request uses itself: a request may exceed the limit if it is the only one.
   * @throws HttpError ERR_TFT_HTTP_OVERLOADED if other requests use all.
   */
  refuseWhenSpent(own = 0): void {
    if (this.#used - own >= this.limit) throw this.#refusal();
  }

  /** Starts the account of one request. */
  hold(): Holding {
    return new Holding(this, (bytes) => {
      this.#used += bytes;
    });
  }

  #refusal(): HttpError {
    return refusal(
      'ERR_TFT_HTTP_OVERLOADED',
      `other requests use all of the ${this.limit} bytes already; try again later or raise maxBytesInFlight`,
      { retryAfter: 1 },
    );
  }
}

/** The bytes that one request uses of the budget. They are released in one place, so that no exit path can forget it. */
export class Holding {
  readonly #budget: ByteBudget;
  readonly #count: (bytes: number) => void;
  #bytes = 0;
  #released = false;

  constructor(budget: ByteBudget, count: (bytes: number) => void) {
    this.#budget = budget;
    this.#count = count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws HttpError ERR_TFT_HTTP_OVERLOADED if other requests use all. */
  take(bytes: number): void {
    this.#budget.refuseWhenSpent(this.#bytes);
    this.add(bytes);
  }

  /** Counts bytes without a limit: a computed response is not discarded. */
  add(bytes: number): void {
    if (this.#released) return;
    this.#bytes += bytes;
    this.#count(bytes);
  }

  give(bytes: number): void {
    this.add(-bytes);
  }

  /** Releases all bytes taken so far. */
  empty(): void {
    this.add(-this.#bytes);
  }

  /** Releases everything; bytes taken afterwards are not counted. */
  release(): void {
    this.empty();
    this.#released = true;
  }
}
