// The bytes of requests and answers that are under way, with a limit: memory is refused before it grows.
import { refusal } from '../http/http-error.js';

/** Counts bytes in flight, of bodies that arrive and of answers that wait for their readers. */
export class ByteBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes in flight now. */
  get used(): number {
    return this.#used;
  }

  /** @throws HttpError ERR_TFT_HTTP_OVERLOADED when nothing is left. */
  refuseWhenSpent(): void {
    if (this.#used >= this.limit) {
      throw refusal(
        'ERR_TFT_HTTP_OVERLOADED',
        `requests of ${this.limit} bytes together are under way already; try again later or raise maxBytesInFlight`,
        { retryAfter: 1 },
      );
    }
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
