// The ways to reach the service, for tests that must hold on each of them: HTTP/1 and HTTPS on a port, HTTP/1 on a Unix
// socket and on the port of HTTP/2, and HTTP/2 itself.
import { mkdtempSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
// @ts-expect-error it runs without TypeScript too
import { ownCertificate } from '../fixtures/own-certificate.mjs';
import { isCpp } from './cpp-server.js';
import type { Overrides } from './running.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-transports-'));
const certificate = ownCertificate(folder) as { tlsCert: string; tlsKey: string } | undefined;
export const { tlsCert = '', tlsKey = '' } = certificate ?? {};
export const hasTls = certificate !== undefined;
if (!hasTls) console.warn('skipped: TLS, since openssl is not installed');

export interface Transport {
  readonly name: string;
  /** Settings of the service. */
  overrides(): Overrides;
  /** Whether what is sent is the text of HTTP/1; else it is HTTP/2. */
  readonly isText: boolean;
  readonly isTls: boolean;
  /** A connection to a service at this address that has sent nothing yet. */
  connect(address: string): Socket;
}

let sockets = 0;
const toPort = (address: string) => {
  const { hostname, port } = new URL(address);
  return { host: hostname, port: Number(port) };
};
const overTls = (protocol: string) => (address: string) =>
  connectTls({ ...toPort(address), rejectUnauthorized: false, ALPNProtocols: [protocol] });

const ALL: readonly Transport[] = [
  { name: 'HTTP/1', isText: true, isTls: false, overrides: () => ({}), connect: (to) => connect(toPort(to)) },
  {
    name: 'a Unix socket',
    isText: true,
    isTls: false,
    overrides: () => ({ socket: join(folder, `s${++sockets}`) }),
    connect: (to) => connect(to),
  },
  {
    name: 'HTTPS',
    isText: true,
    isTls: true,
    overrides: () => ({ tlsCert, tlsKey }),
    connect: overTls('http/1.1'),
  },
  {
    name: 'HTTP/1 where HTTP/2 is spoken too',
    isText: true,
    isTls: true,
    overrides: () => ({ tlsCert, tlsKey, http2: true }),
    connect: overTls('http/1.1'),
  },
  {
    name: 'HTTP/2',
    isText: false,
    isTls: true,
    overrides: () => ({ tlsCert, tlsKey, http2: true }),
    connect: overTls('h2'),
  },
];
/** The server in C++ has no TLS. */
export const transports: readonly Transport[] = ALL.filter(({ isTls }) => !isTls || (hasTls && !isCpp));

export interface Message {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** How a message is cut: the number of bytes in a write, and how the body is framed. */
export interface Cut {
  readonly bytes: number;
  /** The size of HTTP/1 chunks, in bytes; without it the message has a Content-Length. */
  readonly chunk?: number;
}

/** A message as HTTP/1 writes it. */
export function textOf({ method, path, headers = {}, body }: Message, chunk?: number): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body === undefined) return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  if (chunk === undefined) {
    return Buffer.concat([
      Buffer.from(`${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]);
  }
  const pieces: Buffer[] = [Buffer.from(`${lines.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n`)];
  for (let from = 0; from < body.length; from += chunk) {
    const piece = body.subarray(from, from + chunk);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(pieces);
}

/** Lets what was written go out by itself. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Sends a message in pieces and reads the answer. */
export async function send(
  transport: Transport,
  address: string,
  message: Message,
  cut: Cut,
): Promise<Reply> {
  if (!transport.isText) return sendHttp2(address, message, cut);
  const socket = transport.connect(address).setNoDelay(true);
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    socket
      .on('data', (chunk) => chunks.push(chunk))
      .on('error', reject)
      .on('close', () => resolve());
  });
  const wire = textOf(message, cut.chunk);
  for (let from = 0; from < wire.length; from += cut.bytes) {
    socket.write(wire.subarray(from, from + cut.bytes));
    await turn();
  }
  await ended;
  const text = Buffer.concat(chunks).toString('latin1');
  const [head = '', ...rest] = text.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), body: rest.join('\r\n\r\n') };
}

/** Opens a session of HTTP/2; what goes wrong with it is seen by its streams. */
export function session(address: string): ClientHttp2Session {
  return connectHttp2(address, { rejectUnauthorized: false }).on('error', () => {});
}

function sendHttp2(address: string, { method, path, headers, body }: Message, cut: Cut): Promise<Reply> {
  const client = session(address);
  return new Promise<Reply>((resolve, reject) => {
    const stream = client.request({ ':method': method, ':path': path, ...headers }, { endStream: !body });
    let status = 0;
    const chunks: Buffer[] = [];
    stream.on('response', (answer) => {
      status = Number(answer[constants.HTTP2_HEADER_STATUS]);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve({ status, body: Buffer.concat(chunks).toString('latin1') }));
    stream.on('error', reject);
    const write = async () => {
      if (body === undefined) return;
      for (let from = 0; from < body.length; from += cut.bytes) {
        stream.write(body.subarray(from, from + cut.bytes));
        await turn();
      }
      stream.end();
    };
    write().catch(reject);
  }).finally(() => client.close());
}
