// One request and its answer, from the headers to the last byte taken: what it holds of the memory, and whether its
// client is still there.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2Stream } from 'node:http2';
import type { ByteBudget, Holding } from '../admission/budget.js';
import { ClientAbort } from './client-abort.js';

/** The holding is released when the answer has been taken or the client has gone, and the handler has ended. */
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

  /** The handler has ended: nothing but the answer's bytes is held any more. */
  finish(): void {
    this.#finished = true;
    if (this.#closed) this.holding.release();
  }
}

/** By connection, what its requests do when it closes: one listener, however many requests are sent ahead. */
const listeners = new WeakMap<object, Set<() => void>>();

/**
 * Calls `close` when the answer has been taken or the connection is closed, whatever comes first.
 *
 * The response alone does not tell: one that waits for its turn behind another answer of its connection (pipelining)
 * has no socket yet, and never hears that there will be none.
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
