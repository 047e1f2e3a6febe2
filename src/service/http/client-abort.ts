// The abort signal of a request, which fires if its client closes the connection.
import type { AbortSignalLike } from '../../batching/abort.js';
import { type HttpError, refusal } from './http-error.js';

/** Made for each request instead of a real AbortSignal, which takes many times as long to make. */
export class ClientAbort implements AbortSignalLike {
  aborted = false;
  #listener: (() => void) | undefined;

  get reason(): HttpError {
    return refusal('ERR_TFT_ABORTED', 'the client disconnected before its response');
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
