// The signal of one request, for when its client closes the connection.
import type { AbortSignalLike } from '../../batching/abort.js';
import { type HttpError, refusal } from './http-error.js';

/** Made for each request, since making a real AbortSignal takes many times as long. */
export class ClientAbort implements AbortSignalLike {
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

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#listener?.();
  }
}
