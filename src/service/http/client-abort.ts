// The signal of one request, for when its client goes away.
import { type HttpError, refusal } from './http-error.js';

/** As much of an AbortSignal as an engine looks at; making a real one for each request takes many times as long. */
export class Departure {
  aborted = false;
  #listener: (() => void) | undefined;

  get reason(): HttpError {
    return refusal('ERR_TFT_ABORTED', 'the client went away before its answer');
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  happen(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#listener?.();
  }
}
