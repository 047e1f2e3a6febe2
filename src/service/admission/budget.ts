// The memory of requests and answers that are under way, with a limit: memory is refused before it grows.
import { refusal } from '../http/http-error.js';

/** Counts the bytes in flight of all requests: of bodies that arrive, what is made of them, answers not yet taken. */
export class ByteBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** The bytes that are under way now. */
  get used(): number {
    return this.#used;
  }

  /** Whether the next request would be refused. */
  get isSpent(): boolean {
    return this.#used >= this.limit;
  }

  /**
   * @param own bytes that the request which asks holds itself: alone, any request may have what it needs.
   * @throws HttpError ERR_TFT_HTTP_OVERLOADED when the others hold all.
   */
  refuseWhenSpent(own = 0): void {
    if (this.#used - own >= this.limit) {
      throw refusal(
        'ERR_TFT_HTTP_OVERLOADED',
        `requests of ${this.limit} bytes together are under way already; try again later or raise maxBytesInFlight`,
        { retryAfter: 1 },
      );
    }
  }

  /** For one request: what it holds from now on. */
  hold(): Holding {
    return new Holding(this, (bytes) => {
      this.#used += bytes;
    });
  }
}

/** What one request holds of the budget. It is given back in one place, so that no way out of a request can forget it. */
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

  /** @throws HttpError ERR_TFT_HTTP_OVERLOADED when other requests hold all. */
  take(bytes: number): void {
    this.#budget.refuseWhenSpent(this.#bytes);
    this.add(bytes);
  }

  /** Counts what is held in any case: an answer that was computed is not thrown away. */
  add(bytes: number): void {
    if (this.#released) return;
    this.#bytes += bytes;
    this.#count(bytes);
  }

  give(bytes: number): void {
    this.add(-bytes);
  }

  /** Gives back all that was taken so far. */
  empty(): void {
    this.add(-this.#bytes);
  }

  /** Gives back everything; what is taken afterwards does not count. */
  release(): void {
    this.empty();
    this.#released = true;
  }
}
