// Combines the routes with what all requests share: keys, ids, errors, logs, metrics, spans.

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CLIENT_GONE } from '../contract/error-codes.js';
import { extensionParts, type ServiceExtension } from './extension.js';
import type { Access } from './http/access.js';
import type { Connections } from './http/connections.js';
import { type ErrorBody, type HttpError, refusal, toHttpError } from './http/http-error.js';
import { makeServer } from './http/listener.js';
import type { DescribedRoute } from './http/openapi.js';
import { Origins } from './http/origin.js';
import { RefusalLog, type ServiceLog } from './observe/logging.js';
import type { RequestSpan } from './observe/tracing.js';
import { docsRoutes } from './routes/docs.js';
import { forecastRoute } from './routes/forecast.js';
import type { Parts } from './routes/forecast-request.js';
import { healthRoutes } from './routes/health.js';
import { inferRoutes } from './routes/infer.js';
import { modelRoutes } from './routes/models.js';
import { predictRoute } from './routes/predict.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY'];
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;
const MAX_PARAMETER_LENGTH = 200;

declare module 'fastify' {
  interface FastifyRequest {
    /** performance.now() when the headers had arrived. */
    arrived: number;
    span: RequestSpan | undefined;
    /** The error that the request was refused with. */
    refusal: HttpError | undefined;
    /** Call it when the response is ready. */
    answered: () => void;
  }
}

/** Creates the app. It does not listen yet. */
export function makeApp(
  parts: Parts,
  access: Access,
  log: ServiceLog,
  extensions: readonly ServiceExtension[] = [],
): FastifyInstance {
  const { config, connections, host, metrics, tracing } = parts;
  const refusals = new RefusalLog(log);
  const origins = new Origins(config);
  let counted = 0;
  const prefix = `${process.pid.toString(36)}-${Date.now().toString(36)}-`;
  const app = Fastify({
    serverFactory: (handler) => makeServer(config, connections, handler as Parameters<typeof makeServer>[2]),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given)
        ? given
        : `${prefix}${(++counted).toString(36)}`;
    },
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
    // Requests that arrive while the service drains are still served.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, connections),
    frameworkErrors: (error, request, reply) =>
      refuse(error, request as FastifyRequest, reply as FastifyReply),
  });
  app.decorateRequest('arrived', 0);
  app.decorateRequest('span', undefined);
  app.decorateRequest('refusal', undefined);
  app.decorateRequest('answered', () => {});

  // The routes read their bodies themselves, within their own limits (read-body.ts).
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', (request, reply, done) => {
    request.arrived = performance.now();
    request.answered = connections.begin(request.raw, reply.raw);
    reply.header('x-request-id', request.id);
    if (host.state.phase === 'stopping' && request.raw.httpVersionMajor === 1)
      reply.header('connection', 'close');
    const {
      url: route = '',
      config: { operation },
    } = request.routeOptions;
    if (origins.isCrossOrigin) {
      reply.header('vary', 'origin');
      const allowed = origins.allowed(request.headers.origin);
      if (allowed !== undefined) reply.header('access-control-allow-origin', allowed);
      if (allowed !== undefined && isPreflight(request)) {
        // A preflight request has no key.
        return reply.headers(PREFLIGHT_ANSWER).code(204).send();
      }
    }
    request.span = tracing.begin(request.method, route, request.headers);
    const proceed = () => {
      try {
        if (!METHODS.includes(request.method)) throw unknownMethod(request.method);
        origins.check(request.headers);
        if (operation?.access === 'administrator') access.checkAdmin(request.headers);
        else if (operation?.access !== 'anyone' && !(operation?.access === 'metrics' && config.openMetrics)) {
          access.checkUser(request.headers);
        }
        done();
      } catch (error) {
        done(error as Error);
      }
    };
    if (request.span) request.span.run(proceed);
    else proceed();
  });

  app.addHook('onSend', (request, _reply, _payload, done) => {
    request.answered();
    done();
  });

  app.addHook('onResponse', (request, reply, done) => {
    const { refusal, span } = request;
    const seconds = (performance.now() - request.arrived) / 1000;
    const route = request.routeOptions.url ?? 'none';
    metrics.answered(route, request.method, reply.statusCode, seconds);
    if (refusal) metrics.refused(refusal.code);
    span?.end(reply.statusCode, refusal);
    const facts = { requestId: request.id, method: request.method, route, ms: round(seconds * 1000) };
    if (refusal) refusals.write(refusal, facts);
    else if (config.accessLog) log.info({ ...facts, status: reply.statusCode }, 'answered');
    done();
  });

  app.setErrorHandler((error, request, reply) => refuse(error, request, reply));
  app.setNotFoundHandler((request, reply) => refuse(notFound(request.url), request, reply));

  const routes: DescribedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config: routeConfig }) => {
    for (const each of [method].flat()) {
      if (each !== 'HEAD' && routeConfig?.operation) {
        routes.push({ method: each, url, operation: routeConfig.operation });
      }
    }
  });
  healthRoutes(app, parts);
  forecastRoute(app, parts);
  predictRoute(app, parts);
  inferRoutes(app, parts);
  modelRoutes(app, parts);
  for (const extension of extensions) extension.routes(app, extensionParts(parts, log));
  docsRoutes(app, routes);
  refuseOtherMethods(app, routes);
  return app;

  function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const error = toHttpError(thrown);
    request.refusal = error;
    const body: ErrorBody = { error: error.message, code: error.code, request_id: request.id };
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter));
    if (error.status === 405 && !reply.hasHeader('allow')) reply.header('allow', 'GET, HEAD, POST');
    if (error.status === 401) reply.header('www-authenticate', 'Bearer');
    // The unread rest of the body must not be parsed as the next request.
    const unread = error.status === 408 || error.status === 413 || error.status === CLIENT_GONE;
    if (unread && request.raw.httpVersionMajor === 1) reply.header('connection', 'close');
    return reply.code(error.status).type('application/json').send(JSON.stringify(body));
  }
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

const PREFLIGHT_ANSWER = {
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers':
    'authorization, content-type, content-encoding, inference-header-content-length, x-api-key, x-request-id, ' +
    'x-request-timeout-ms',
  'access-control-max-age': '600',
};

/** Makes every path respond to other methods with 405 and the list of supported ones. */
function refuseOtherMethods(app: FastifyInstance, routes: readonly DescribedRoute[]): void {
  const byUrl = new Map<string, string[]>();
  for (const { url, method } of routes) byUrl.set(url, [...(byUrl.get(url) ?? []), method]);
  for (const [url, taken] of byUrl) {
    const allowed = taken.includes('GET') ? [...taken, 'HEAD'] : taken;
    app.route({
      method: METHODS.filter((method) => !allowed.includes(method)),
      url,
      // Refused before anything else of the request is checked.
      onRequest: (request, reply, done) => {
        reply.header('allow', allowed.join(', '));
        const message = `${url} takes ${allowed.join(' and ')}, not ${request.method}`;
        done(refusal('ERR_TFT_HTTP_METHOD', message));
      },
      handler: () => {},
    });
  }
}

function notFound(url: string): HttpError {
  return refusal('ERR_TFT_HTTP_NOT_FOUND', `there is nothing at ${url.slice(0, 120)}; /docs lists all paths`);
}

function unknownMethod(method: string): HttpError {
  return refusal('ERR_TFT_HTTP_METHOD', `the method ${method.slice(0, 20)} is not supported`);
}

/** The error for a connection that sent no valid request, by Node's error code. */
function connectionError(error: Error & { code?: string; rawPacket?: unknown }): HttpError {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return refusal('ERR_TFT_HTTP_TIMEOUT', 'the request did not arrive in time');
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return refusal('ERR_TFT_HTTP_HEADER', 'the headers are larger than 16 KiB', { status: 431 });
  }
  const begin =
    error.rawPacket instanceof Uint8Array ? Buffer.from(error.rawPacket).toString('latin1', 0, 400) : '';
  const [, method] = /^([A-Z]{1,20}) \S+ HTTP\/1/.exec(begin) ?? [];
  if (error.code === 'HPE_INVALID_METHOD' && method !== undefined && !METHODS.includes(method)) {
    return unknownMethod(method);
  }
  return refusal('ERR_TFT_HTTP_HEADER', 'the request is not HTTP');
}

/**
 * Responds to a connection whose data is not HTTP or came too slowly. Such data never becomes a request, so the response is
 * written to the socket directly, after the responses to earlier requests.
 */
function refuseConnection(error: Error & { code?: string }, socket: Socket, connections: Connections): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable || !speaksHttp1(socket)) {
    socket.destroy();
    return;
  }
  const { status, code, message } = connectionError(error);
  const body = JSON.stringify({ error: message, code } satisfies ErrorBody);
  connections.afterAnswers(socket, () =>
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    ),
  );
}

/**
 * Whether text can be written to a connection. During a handshake it would wait for its end: a client that shakes hands
 * after all, by HTTP/2, would get it into its session, which makes Node abort the process.
 */
function speaksHttp1(socket: Socket): boolean {
  if (!(socket instanceof TLSSocket)) return true;
  return (
    !(socket as TLSSocket & { secureConnecting: boolean }).secureConnecting && socket.alpnProtocol !== 'h2'
  );
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
