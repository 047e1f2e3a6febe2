// Limits the bytes of requests and answers that are under way, so that memory cannot grow without bound.
import { refusal } from '../http/http-error.js';

/** Counts the bytes of bodies that are arriving and of answers that clients have not read yet. */
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

  /** @throws HttpError ERR_TFT_HTTP_OVERLOADED if the limit is reached. */
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
