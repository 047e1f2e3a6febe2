// A Fastify plugin for a service of one's own: an engine, and POST /forecast beside one's own routes.
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { TFTError } from '../contract/errors.js';
import { TFTEngine } from '../engine.js';
import type { LoadOptions } from '../options.js';
import { ByteBudget } from './admission/budget.js';
import { HttpError, refusal, toHttpError } from './http/http-error.js';
import { registerMetrics } from './observe/register-metrics.js';
import { formatOf, optionsOf, readForecastRows } from './routes/forecast-rows.js';

/** Options of {@link tftPlugin}. */
export interface TftPluginOptions extends LoadOptions {
  /** What to load, as `TFTEngine.load` takes it; 'demo' by default. */
  model?: string | undefined;
  /** An engine that is loaded already; then nothing is loaded, and the caller closes it. */
  engine?: TFTEngine | undefined;
  /** The path that forecasts are asked at; '/forecast' by default. */
  path?: string | undefined;
  /** The largest number of servers in one request; 256 by default. */
  maxServers?: number | undefined;
  /** The largest body, in bytes; 32 MiB by default. */
  bodyLimit?: number | undefined;
  /** Where to count, as `registerMetrics` does. */
  registry?: Registry | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    tft: TFTEngine;
  }
}

const DEFAULT_BODY_LIMIT = 32 * 2 ** 20;

const UNPACK: Readonly<
  Record<string, (body: Buffer, limits: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/**
 * `await app.register(tftPlugin, { model: 'demo' })` gives `app.tft`, the engine, and `POST /forecast` as `tft serve` has it:
 * rows in JSON, NDJSON or CSV in, forecasts out. Errors are `{ error, code }` with the statuses of docs/errors.md. The engine is
 * closed with the app.
 *
 * @throws TFTError as `TFTEngine.load`.
 */
export async function tftPlugin(app: FastifyInstance, options: TftPluginOptions = {}): Promise<void> {
  const { engine: given, registry, path = '/forecast', maxServers = 256, ...rest } = options;
  const { model = 'demo', bodyLimit = DEFAULT_BODY_LIMIT, ...loading } = rest;
  // Fastify adds what it registers plugins with.
  const {
    prefix: _prefix,
    logLevel: _level,
    logSerializers: _serializers,
    ...load
  } = loading as Record<string, unknown>;
  const engine = given ?? (await TFTEngine.load(model, load as LoadOptions));
  app.decorate('tft', engine);
  if (registry) registerMetrics(engine, registry);
  if (given === undefined) app.addHook('onClose', () => engine.close());

  // In a context of its own: bodies are read here, and other routes keep their parsers.
  await app.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) =>
      done(null, body),
    );
    own.post(path, async (request, reply) => {
      try {
        const format = formatOf(request.headers['content-type']);
        const inUrl = optionsOf(request.query as Record<string, unknown>);
        const limits = { maxServers, holding: new ByteBudget(Number.POSITIVE_INFINITY).hold() };
        const sent = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const body = await unpacked(sent, request.headers['content-encoding'], bodyLimit);
        const { history, windows, raw } = await readForecastRows(body, format, engine.model, inUrl, limits);
        return await engine.forecast(history, { ...windows, sorted: !raw, clipped: !raw });
      } catch (error) {
        if (!(error instanceof HttpError || error instanceof TFTError)) throw error;
        const { status, code, message, retryAfter } = toHttpError(error);
        if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
        return reply.code(status).send({ error: message, code });
      }
    });
  });
}

/** @throws HttpError ERR_TFT_HTTP_ENCODING, ERR_TFT_HTTP_TOO_LARGE. */
async function unpacked(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  const unpack =
    encoding === undefined || encoding === 'identity' ? undefined : UNPACK[encoding.toLowerCase()];
  if (unpack === undefined) {
    if (encoding === undefined || encoding === 'identity') return body;
    throw refusal('ERR_TFT_HTTP_ENCODING', 'of encodings gzip, deflate and br are read here', {
      status: 415,
    });
  }
  try {
    return await unpack(body, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw refusal('ERR_TFT_HTTP_TOO_LARGE', `the body unpacks to more than ${limit} bytes`, { cause });
    }
    throw refusal('ERR_TFT_HTTP_ENCODING', `the body is not valid ${encoding}`, { cause });
  }
}

/** What fastify-plugin does: routes of the app itself see `app.tft`. */
(tftPlugin as unknown as Record<symbol, unknown>)[Symbol.for('skip-override')] = true;
(tftPlugin as unknown as Record<symbol, unknown>)[Symbol.for('fastify.display-name')] = 'tft-tensorrt';
