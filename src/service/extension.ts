// What a program may add to the service: further routes, with the keys, limits, errors, logs and metrics of the service's
// own, and a life of its own beside the model's.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { ServiceConfig } from './config/schema.js';
import { sendBytes } from './http/answer.js';
import { Exchange } from './http/exchange.js';
import { readBody } from './http/read-body.js';
import type { ModelHost } from './model-host.js';
import type { ServiceLog } from './observe/logging.js';
import type { Parts } from './routes/forecast-request.js';

/** What an extension gets of the service. */
export interface ExtensionParts {
  readonly config: ServiceConfig;
  readonly host: Pick<ModelHost, 'lend' | 'current' | 'state'>;
  /** Its metrics are at /metrics with the service's. */
  readonly registry: Registry;
  readonly log: ServiceLog;
  /**
   * Answers a request: reads its body within limits of size, time and memory, and sends what is made of it, compressed
   * for clients that ask for it.
   *
   * @param most the largest body in bytes; 0 for a request without one.
   * @param make its arguments are valid until it returns or its promise settles: the body, and a function that counts
   *   memory of its own, in bytes, with the body's. That throws HttpError ERR_TFT_HTTP_OVERLOADED if other requests use all.
   * @param isPacked whether `make` unpacks the body itself, whatever Content-Encoding says.
   */
  exchange(
    request: FastifyRequest,
    reply: FastifyReply,
    most: number,
    make: (body: Buffer, hold: (bytes: number) => void) => ExtensionAnswer | Promise<ExtensionAnswer>,
    isPacked?: boolean,
  ): Promise<FastifyReply>;
}

/** The answer to a request. */
export interface ExtensionAnswer {
  readonly bytes: Buffer;
  readonly type: string;
  /** 200 without it. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ServiceExtension {
  /** Adds routes, before the service listens. */
  routes(app: FastifyInstance, parts: ExtensionParts): void;
  /** The service stops: ends what would never end by itself, such as streams of events. Requests are still served. */
  stop?(): Promise<void>;
  /** All requests have ended. */
  close?(): Promise<void>;
}

export function extensionParts(parts: Parts, log: ServiceLog): ExtensionParts {
  const { config, host, metrics, budget, memory, pace } = parts;
  return {
    config,
    host,
    registry: metrics.registry,
    log,
    async exchange(request, reply, most, make, isPacked = false) {
      const exchange = new Exchange(request.raw, reply.raw, budget);
      try {
        if (most > 0) budget.refuseWhenSpent();
        const body =
          most === 0
            ? undefined
            : await readBody(
                request.raw,
                {
                  encoding: isPacked ? undefined : request.headers['content-encoding'],
                  length: request.headers['content-length'],
                  most,
                  timeoutMs: config.requestTimeoutMs,
                  aligned: 0,
                },
                exchange,
                memory,
              );
        let answer: ExtensionAnswer;
        try {
          answer = await make(body?.bytes ?? Buffer.alloc(0), (bytes) => exchange.holding.take(bytes));
        } finally {
          body?.release();
          exchange.holding.empty();
        }
        reply
          .code(answer.status ?? 200)
          .type(answer.type)
          .headers(answer.headers ?? {});
        return await sendBytes(request, reply, answer.bytes, exchange, config.compress);
      } catch (error) {
        exchange.holding.empty();
        // A body that is not read would stay in its socket's buffers.
        request.raw.resume();
        if ((error as { status?: number }).status === 503) await pace.next();
        throw error;
      } finally {
        exchange.finish();
      }
    },
  };
}
