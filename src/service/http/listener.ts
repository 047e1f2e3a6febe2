// The HTTP server: HTTP/1.1, optionally with TLS and HTTP/2, on a port or a Unix socket. Its limits close connections that are
// slow, too many, or send endless headers.
import { readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { TFTError } from '../../contract/errors.js';
import type { ServiceConfig } from '../config/schema.js';
import type { Connections } from './connections.js';

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
/** The interval between checks for slow connections. */
const CHECK_MS = 1000;
/** The largest number of streams on one HTTP/2 connection. */
const MAX_STREAMS = 100;

type ListenerSettings = Pick<
  ServiceConfig,
  | 'tlsCert'
  | 'tlsKey'
  | 'http2'
  | 'headersTimeoutMs'
  | 'requestTimeoutMs'
  | 'keepAliveTimeoutMs'
  | 'maxConnections'
  | 'maxWaitMs'
>;

/** @throws TFTError ERR_TFT_FILE for a certificate or key that cannot be used. */
export function makeServer(
  settings: ListenerSettings,
  connections: Connections,
  handler: RequestListener,
): Server {
  const { requestTimeoutMs, keepAliveTimeoutMs, maxWaitMs, http2, tlsCert } = settings;
  const limits = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(settings.headersTimeoutMs, requestTimeoutMs),
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Lenient parsing is off: if proxy and server disagree on where a request ends, requests can be smuggled.
    insecureHTTPParser: false,
    noDelay: true,
  };
  // The time without any traffic after which a connection is closed, even if its client is slowly receiving a response. A
  // connection that waits for the service, such as for a model to load, is exempt.
  const idleMs = requestTimeoutMs + maxWaitMs;
  const endIdle = (connection?: Socket | ServerHttp2Session) => {
    if (connection === undefined) return;
    // The timeout fires once and has to be set again.
    if (connections.isWaiting(connection)) connection.setTimeout(idleMs);
    else connection.destroy();
  };
  let server: Server;
  if (tlsCert === undefined) {
    server = createServer(limits, handler);
  } else if (http2) {
    const secure = createSecureServer(
      {
        ...security(settings),
        ...certificates(settings),
        ...limits,
        allowHTTP1: true,
        settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES },
      },
      handler as unknown as Parameters<typeof createSecureServer>[1],
    );
    secure.on('session', (session) => session.setTimeout(keepAliveTimeoutMs + idleMs));
    server = secure as unknown as Server;
    // An HTTP/2 server ignores these in its options, and would serve HTTP/1 without them.
    Object.assign(server, limits, { requireHostHeader: true });
  } else {
    server = createTlsServer({ ...limits, ...security(settings), ...certificates(settings) }, handler);
  }
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = settings.maxConnections;
  server.setTimeout(idleMs, endIdle);
  connections.watch(server);
  return server;
}

/** Only ciphers with forward secrecy and without known weaknesses. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

function security({ headersTimeoutMs }: ListenerSettings) {
  return { ciphers: CIPHERS, minVersion: 'TLSv1.2', handshakeTimeout: headersTimeoutMs } as const;
}

/** Reads the certificate again; connections that are open keep the old one. @throws TFTError ERR_TFT_FILE. */
export function renewCertificates(server: Server, settings: ListenerSettings): void {
  if (settings.tlsCert === undefined) return;
  (server as unknown as Http2SecureServer).setSecureContext(certificates(settings));
}

function certificates({ tlsCert = '', tlsKey = '' }: ListenerSettings): { cert: Buffer; key: Buffer } {
  const read = (setting: string, path: string) => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new TFTError('ERR_TFT_FILE', `${setting}: ${(cause as Error).message}`, { cause });
    }
  };
  return { cert: read('tlsCert', tlsCert), key: read('tlsKey', tlsKey) };
}

/** Removes a socket file that a killed process has left. @throws TFTError ERR_TFT_FILE if a process listens on it. */
export async function clearSocket(path: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const listens = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (listens) throw new TFTError('ERR_TFT_FILE', `socket: another process listens on ${path}`);
  rmSync(path);
}
