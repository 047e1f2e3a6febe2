// The connections of a server and what is under way on each: so that none is cut off while it waits for the service,
// and all of them can be ended, whatever they speak and however far they have come.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2Stream, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

interface Work {
  /** Requests that the service works on. */
  running: number;
  /** Requests whose answer has not been taken in full. */
  open: number;
  /** The one that came last. */
  last: IncomingMessage | undefined;
  /** What is done when none is open any more. */
  afterwards: (() => void) | undefined;
}

/** All connections of one server. What is called a connection is a socket, or a session of HTTP/2. */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #works = new WeakMap<object, Work>();
  #isEnding = false;

  /** Sees every connection of `server`, also those that never get as far as a request. */
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

  /** A request has come; its answer will be made. @returns to be called when the answer is there. */
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
   * Does `then` after the answers that are due on this connection; at once where none is, or where the last request
   * has not come in full, and never will.
   */
  afterAnswers(connection: object, then: () => void): void {
    const work = this.#works.get(connection);
    if (work === undefined || work.open === 0 || work.last?.complete === false) then();
    else work.afterwards ??= then;
  }

  /** No new requests on sessions of HTTP/2; each is closed after its answers. Servers do the same for HTTP/1. */
  end(): void {
    this.#isEnding = true;
    for (const session of this.#sessions) session.close();
  }

  /** Cuts off all that is left. */
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
