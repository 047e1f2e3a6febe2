// What /predict and /infer share: a request is admitted or refused, its body is read, its forecast is awaited with a
// deadline, and it is cancelled when its client disconnects.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { deadlinePassed } from '../../batching/deadline-passed.js';
import { TFTError } from '../../contract/errors.js';
import { Forecast } from '../../contract/forecast.js';
import { type ForecastInputs, valuesOf } from '../../contract/inputs.js';
import type { TensorSpec } from '../../contract/tensors.js';
import { HEADER_LENGTH } from '../../kserve/wire.js';
import type { ByteBudget, Holding } from '../admission/budget.js';
import type { Pressure } from '../admission/pressure.js';
import type { RefusalPace } from '../admission/refusal-pace.js';
import type { ServiceConfig } from '../config/schema.js';
import { sendBytes } from '../http/answer.js';
import type { BodyMemory } from '../http/body-memory.js';
import type { Connections } from '../http/connections.js';
import { Exchange } from '../http/exchange.js';
import { badBody, refusal, toHttpError } from '../http/http-error.js';
import { type Body, headerLength, readBody } from '../http/read-body.js';
import type { ModelHost, ServedModel } from '../model-host.js';
import type { Metrics } from '../observe/metrics.js';
import type { Tracing } from '../observe/tracing.js';
import type { TrafficSample } from '../observe/traffic-sample.js';

/** The parts that serve requests. */
export interface Parts {
  readonly config: ServiceConfig;
  readonly connections: Connections;
  readonly host: ModelHost;
  readonly budget: ByteBudget;
  readonly memory: BodyMemory;
  readonly pressure: Pressure;
  readonly pace: RefusalPace;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly sample: TrafficSample;
}

/** A parsed body. */
export interface ForecastQuestion {
  readonly inputs: ForecastInputs;
  /** The deadline in milliseconds from the request's arrival, if the body has one. */
  readonly timeoutMs?: number | undefined;
  /** What is done to the network's numbers; nothing without them. */
  readonly sorted?: boolean | undefined;
  readonly clipped?: boolean | undefined;
  /** Whether a question of no series is answered by none, as rows are whose servers are all refused; else it is an error. */
  readonly mayBeEmpty?: boolean | undefined;
}

/** A number in JSON takes at most 24 bytes: 17 digits, a sign, a point, an exponent, a comma. */
const BYTES_A_NUMBER = 24;
const BYTES_BESIDES = 64 * 1024;

/** The largest body that a request may have. */
export function maxBodyBytes(config: ServiceConfig, model: ServedModel): number {
  return config.maxBodyBytes ?? config.maxServers * model.valuesPerSeries * BYTES_A_NUMBER + BYTES_BESIDES;
}

/** The answer to a forecast. */
export interface ForecastAnswer {
  readonly bytes: Buffer;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Forecasts, and sends the answer. Requests that come too late for the queue have been refused before (early-refusal.ts).
 *
 * @param understand makes the question of the body; what it takes of memory counts in `holding`.
 * @param answer makes the answer's bytes, while the model is still held.
 */
export async function forecastFor<Q extends ForecastQuestion>(
  parts: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  understand: (body: Buffer, model: ServedModel, header: number | undefined, holding: Holding) => Promise<Q>,
  answer: (forecast: Forecast, question: Q, model: ServedModel) => Promise<ForecastAnswer>,
): Promise<FastifyReply> {
  const { config, host, budget, memory, pace, metrics, tracing, sample } = parts;
  const exchange = new Exchange(request.raw, reply.raw, budget);
  const { holding, client } = exchange;
  try {
    const { bytes, type, headers = {} } = await host.lend(answerOf);
    reply.type(type).headers(headers);
    return await sendBytes(request, reply, bytes, exchange, config.compress);
  } catch (error) {
    holding.empty();
    throw error;
  } finally {
    exchange.finish();
  }

  async function answerOf(model: ServedModel): Promise<ForecastAnswer> {
    const arrived = performance.now();
    const timeoutMs = timeoutOf(request);
    try {
      const most = maxBodyBytes(config, model);
      const header = headerLength(request.headers[HEADER_LENGTH], most);
      const body = await tracing.step('read', () =>
        readBody(
          request.raw,
          {
            encoding: request.headers['content-encoding'],
            length: request.headers['content-length'],
            most,
            timeoutMs: config.requestTimeoutMs,
            aligned: header ?? 0,
          },
          exchange,
          memory,
        ),
      );
      const { forecast, question } = await tracing.step('forecast', () =>
        ask(body, model, header, arrived, timeoutMs ?? Infinity),
      );
      return await tracing.step('answer', () => answer(forecast, question, model));
    } catch (error) {
      // A body that is not read would stay in its socket's buffers.
      request.raw.resume();
      const refusal = toHttpError(error);
      if (refusal.status < 500 && refusal.code !== 'ERR_TFT_ABORTED') metrics.engine.countInvalid(model);
      if (refusal.status === 503) await pace.next();
      throw refusal;
    }
  }

  async function ask(
    body: Body,
    model: ServedModel,
    header: number | undefined,
    arrived: number,
    limitMs: number,
  ) {
    try {
      const question = await understand(body.bytes, model, header, holding);
      refuseLargeBatch(question.inputs, model, config.maxServers);
      const within = Math.min(limitMs, question.timeoutMs ?? Infinity, config.maxWaitMs);
      const deadlineMs = Math.max(0, within - (performance.now() - arrived));
      // The inputs are this request's own. After an abort a lane may still read them, and of what the memory holds
      // by then nothing comes.
      const { sorted, clipped } = question;
      const running =
        question.mayBeEmpty && seriesOf(question.inputs, model) === 0
          ? Promise.resolve(noForecast(model))
          : model.engine.predict(question.inputs, {
              signal: client,
              deadlineMs,
              borrow: true,
              sorted,
              clipped,
            });
      // Binary inputs are views of the body, which an engine that lends reads in place until the forecast is there, and a
      // sample afterwards.
      const isLent = model.engine.lends;
      if (!sample.isTaken) {
        if (header === undefined || !isLent) body.release();
        if (!isLent) holding.empty();
      }
      const forecast = await running.catch((error: unknown) => {
        // The engine knows what was left of the time that the client gave.
        throw error instanceof TFTError && error.code === 'ERR_TFT_DEADLINE' ? deadlinePassed(within) : error;
      });
      if (forecast.shape[0] > 0) sample.offer(model, question.inputs);
      return { forecast, question };
    } finally {
      body.release();
      holding.empty();
    }
  }
}

/** The header X-Request-Timeout-Ms. @throws HttpError ERR_TFT_HTTP_HEADER. */
export function timeoutOf({ headers }: FastifyRequest): number | undefined {
  const text = headers['x-request-timeout-ms'];
  if (text === undefined) return undefined;
  if (typeof text === 'string' && /^\d{1,9}$/.test(text)) return Number(text);
  throw refusal(
    'ERR_TFT_HTTP_HEADER',
    `X-Request-Timeout-Ms must be a whole number of milliseconds, found '${String(text).slice(0, 40)}'`,
  );
}

function seriesOf(inputs: ForecastInputs, { tensors }: ServedModel): number {
  const [first] = tensors.inputs as [TensorSpec];
  return valuesOf(inputs, first).length / first.size;
}

/** Of a request with rows none of whose servers can be forecast. */
function noForecast({ engine }: ServedModel): Forecast {
  const { horizon, quantiles } = engine.model;
  return new Forecast(new Float32Array(0), [0, horizon, quantiles.length], quantiles);
}

function refuseLargeBatch(inputs: ForecastInputs, model: ServedModel, most: number): void {
  const series = seriesOf(inputs, model);
  if (series <= most) return;
  throw refusal(
    'ERR_TFT_HTTP_TOO_LARGE',
    `the request has ${Math.floor(series)} series; at most ${most} are allowed in one request. Send several`,
  );
}

/**
 * An object that JSON gave. What is null in it is left out: clients write null for what they have not got.
 *
 * @throws HttpError ERR_TFT_HTTP_BODY.
 */
export function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value);
    const hasNull = entries.some(([, content]) => content === null);
    return hasNull ? Object.fromEntries(entries.filter(([, content]) => content !== null)) : { ...value };
  }
  throw badBody(`${what} must be an object`);
}
