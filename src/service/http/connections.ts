// Tracks the connections of a server and their requests, so that no connection is closed while it waits for the service, and
// all can be ended, whatever their protocol and state.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2Stream, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

interface Work {
  /** The number of requests that the service is processing. */
  running: number;
  /** The number of requests whose response has not been received completely. */
  open: number;
  /** The latest request. */
  last: IncomingMessage | undefined;
  /** Called when no request is open. */
  afterwards: (() => void) | undefined;
}

/** All connections of one server. A connection is a socket or an HTTP/2 session. */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #works = new WeakMap<object, Work>();
  #isEnding = false;

  /** Watches every connection of `server`, including those that never send a request. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      if (this.#isEnding) session.close();
    });
  }

  get count(): number {
    return this.#sockets.size;
  }

  /** Call it for each request. @returns a function to call when the response is ready. */
  begin(request: IncomingMessage, response: ServerResponse): () => void {
    const work = this.#work(connectionOf(request));
    work.running++;
    work.open++;
    work.last = request;
    let isOpen = true;
    response.once('close', () => {
      if (!isOpen) return;
      isOpen = false;
      if (--work.open > 0) return;
      work.afterwards?.();
      work.afterwards = undefined;
    });
    let isRunning = true;
    return () => {
      if (!isRunning) return;
      isRunning = false;
      work.running--;
    };
  }

  /** Whether a request of this connection waits for the service, and not the service for its client. */
  isWaiting(connection: object): boolean {
    return (this.#works.get(connection)?.running ?? 0) > 0;
  }

  /**
   * Calls `then` after the pending responses on this connection; at once if there is none, or if the last request is
   * incomplete and will stay so.
   */
  afterAnswers(connection: object, then: () => void): void {
    const work = this.#works.get(connection);
    if (work === undefined || work.open === 0 || work.last?.complete === false) then();
    else work.afterwards ??= then;
  }

  /** Accepts no new requests on HTTP/2 sessions and closes each after its responses. Servers do the same for HTTP/1. */
  end(): void {
    this.#isEnding = true;
    for (const session of this.#sessions) session.close();
  }

  /** Destroys all remaining connections. */
  destroy(): void {
    this.end();
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #work(connection: object): Work {
    let work = this.#works.get(connection);
    if (work === undefined) {
      work = { running: 0, open: 0, last: undefined, afterwards: undefined };
      this.#works.set(connection, work);
    }
    return work;
  }
}

function connectionOf(request: IncomingMessage): object {
  const { stream } = request as { stream?: Http2Stream };
  return stream?.session ?? request.socket;
}
