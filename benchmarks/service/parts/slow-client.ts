// Clients that keep a connection open and hardly use it: silent ones, and ones that send a byte at a time.
import { connect, type Socket } from 'node:net';

const DRIP_MS = 200;

/** A client and the state of its connection. */
export interface SlowClient {
  readonly kind: 'idle' | 'slow headers' | 'slow body';
  /** performance.now() when it was connected, and when the server closed the connection. */
  readonly since: number;
  ended: number | undefined;
  /** The beginning of the server's response. */
  said: string;
  close(): void;
}

/** Connects and sends `first` at once, then `rest` a byte at a time. */
export function slowClient(
  port: number,
  kind: SlowClient['kind'],
  { first = '', rest = Buffer.alloc(0) }: { first?: string; rest?: Buffer } = {},
): Promise<SlowClient> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let sent = 0;
    const timer = setInterval(() => {
      if (sent < rest.length) socket.write(rest.subarray(sent, ++sent));
    }, DRIP_MS);
    const client: SlowClient = {
      kind,
      since: performance.now(),
      ended: undefined,
      said: '',
      close: () => socket.destroy(),
    };
    socket.once('connect', () => {
      if (first !== '') socket.write(first);
      resolve(client);
    });
    socket.on('data', (chunk: Buffer) => {
      client.said = (client.said + chunk.toString('latin1')).slice(0, 500);
    });
    socket.once('error', reject);
    socket.on('close', () => {
      clearInterval(timer);
      client.ended = performance.now();
    });
  });
}
