// A client's keep-alive connection with minimal cost: requests are prepared bytes, and only the framing of a response is
// parsed.
import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LARGEST_HEAD = 64 * 1024;

/** A response. */
export interface Answer {
  readonly status: number;
  /** The headers as they came, in lower case. */
  readonly head: string;
  /** Empty unless bodies are kept. */
  readonly body: Buffer;
}

/** The connection failed before the response was complete, as when a server dies. */
export class ConnectionError extends Error {
  constructor(readonly code: string) {
    super(`the connection failed: ${code}`);
    this.name = 'ConnectionError';
  }
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One request at a time; connects on the first request, and again after the server has closed the connection. */
export class Connection {
  readonly #port: number;
  readonly #keepBodies: boolean;
  #socket: Socket | undefined;
  #waiting: Waiting | undefined;
  #head: { status: number; text: string; length: number } | undefined;
  #pending: Buffer[] = [];
  #received = 0;

  /** @param keepBodies whether responses have their bodies; otherwise the bodies are only counted. */
  constructor(port: number, { keepBodies = false }: { keepBodies?: boolean } = {}) {
    this.#port = port;
    this.#keepBodies = keepBodies;
  }

  /** Sends a whole request. @throws ConnectionError, by rejecting. */
  request(bytes: Buffer): Promise<Answer> {
    if (this.#waiting) throw new Error('the answer to the last request is still to come');
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#connect();
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    this.#forget();
    let code = 'closed';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#settle()?.reject(new ConnectionError(code));
    });
    return socket;
  }

  #read(chunk: Buffer): void {
    let body = chunk;
    if (this.#head === undefined) {
      const all = this.#pending.length === 0 ? chunk : Buffer.concat([...this.#pending, chunk]);
      const end = all.indexOf(HEAD_END);
      if (end < 0) {
        if (all.length > LARGEST_HEAD) this.#socket?.destroy(new Error('a head without end'));
        this.#pending = [all];
        return;
      }
      const text = all.toString('latin1', 0, end).toLowerCase();
      const length = /\r\ncontent-length: *(\d+)/.exec(text)?.[1];
      if (length === undefined) {
        this.#socket?.destroy(new Error('an answer without Content-Length'));
        return;
      }
      this.#head = { status: Number(text.slice(9, 12)), text, length: Number(length) };
      this.#pending = [];
      body = all.subarray(end + HEAD_END.length);
    }
    this.#received += body.length;
    if (this.#keepBodies) this.#pending.push(body);
    if (this.#received < this.#head.length) return;
    const { status, text } = this.#head;
    const answer = { status, head: text, body: Buffer.concat(this.#pending) };
    // A server that refuses a request before reading all of it sends this header; the rest need not be sent.
    if (text.includes('\r\nconnection: close')) this.close();
    this.#settle()?.resolve(answer);
  }

  #settle(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#forget();
    return waiting;
  }

  #forget(): void {
    this.#head = undefined;
    this.#pending = [];
    this.#received = 0;
  }
}
