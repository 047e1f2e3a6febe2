// One request and its response, from the headers to the last byte received: the memory that it uses, and whether its client
// is still connected.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2Stream } from 'node:http2';
import type { ByteBudget, Holding } from '../admission/budget.js';
import { ClientAbort } from './client-abort.js';

/** Releases the memory when the response was received or the client has disconnected, and the handler has ended. */
export class Exchange {
  readonly holding: Holding;
  readonly client = new ClientAbort();
  #closed = false;
  #finished = false;

  constructor(request: IncomingMessage, response: ServerResponse, budget: ByteBudget) {
    this.holding = budget.hold();
    const close = () => {
      if (this.#closed) return;
      this.#closed = true;
      stopWatching();
      if (this.#finished) this.holding.release();
      else this.client.abort();
    };
    const stopWatching = onClose(request, response, close);
  }

  /** Call it when the handler has ended: then only the response's bytes are counted. */
  finish(): void {
    this.#finished = true;
    if (this.#closed) this.holding.release();
  }
}

/** By connection, the callbacks of its requests for its end: one listener, however many requests are pipelined. */
const listeners = new WeakMap<object, Set<() => void>>();

/**
 * Calls `close` when the response was received or the connection is closed, whichever is first.
 *
 * The response's own events are not enough: a pipelined response that waits for an earlier one has no socket yet, and gets
 * no event if the connection closes.
 */
function onClose(request: IncomingMessage, response: ServerResponse, close: () => void): () => void {
  const { stream } = response as { stream?: Http2Stream };
  if (stream !== undefined) {
    if (stream.destroyed || stream.closed) queueMicrotask(close);
    else stream.once('close', close);
    return () => stream.off('close', close);
  }
  const { socket } = request;
  if (socket.destroyed || response.destroyed) {
    queueMicrotask(close);
    return () => {};
  }
  let calls = listeners.get(socket);
  if (calls === undefined) {
    const all = new Set<() => void>();
    calls = all;
    listeners.set(socket, all);
    socket.once('close', () => {
      for (const call of all) call();
    });
  }
  calls.add(close);
  response.once('close', close);
  return () => {
    calls.delete(close);
    response.off('close', close);
  };
}
