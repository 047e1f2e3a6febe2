// The HTTP server: HTTP/1.1, optionally with TLS and HTTP/2, on a port or a Unix socket. Its limits cut off clients that are
// slow, too many, or send endless headers.
import { readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { TFTError } from '../../contract/errors.js';
import type { ServiceConfig } from '../config/schema.js';

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
/** How often the server looks for slow connections. */
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
export function makeServer(settings: ListenerSettings, handler: RequestListener): Server {
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
  // Closes a connection on which nothing moves, including one whose client does not read its answer.
  const idleMs = requestTimeoutMs + maxWaitMs;
  let server: Server;
  if (tlsCert === undefined) {
    server = createServer(limits, handler);
  } else if (http2) {
    const secure = createSecureServer(
      {
        ...certificates(settings),
        ...limits,
        allowHTTP1: true,
        settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES },
      },
      handler as unknown as Parameters<typeof createSecureServer>[1],
    );
    secure.on('session', (session) => session.setTimeout(keepAliveTimeoutMs + idleMs, () => session.close()));
    server = secure as unknown as Server;
  } else {
    server = createTlsServer({ ...limits, ...certificates(settings) }, handler);
  }
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = settings.maxConnections;
  server.setTimeout(idleMs, (socket?: Socket) => socket?.destroy());
  return server;
}

/** Reads the certificate again. Open connections keep the old one. @throws TFTError ERR_TFT_FILE. */
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
