// What /predict and /infer share: a request is admitted or refused, its body is read, its forecast is awaited with a
// deadline, and it is cancelled when its client disconnects.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Forecast } from '../../contract/forecast.js';
import { type ForecastInputs, valuesOf } from '../../contract/inputs.js';
import type { TensorSpec } from '../../contract/tensors.js';
import { HEADER_LENGTH } from '../../kserve/wire.js';
import type { ByteBudget } from '../admission/budget.js';
import type { Pressure } from '../admission/pressure.js';
import type { RefusalPace } from '../admission/refusal-pace.js';
import type { ServiceConfig } from '../config/schema.js';
import type { BodyMemory } from '../http/body-memory.js';
import { ClientAbort } from '../http/client-abort.js';
import { badBody, refusal, toHttpError } from '../http/http-error.js';
import { type Body, headerLength, readBody } from '../http/read-body.js';
import type { ModelHost, ServedModel } from '../model-host.js';
import type { Metrics } from '../observe/metrics.js';
import type { Tracing } from '../observe/tracing.js';
import type { TrafficSample } from '../observe/traffic-sample.js';

/** The parts that serve requests. */
export interface Parts {
  readonly config: ServiceConfig;
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
}

/** A number in JSON takes at most 24 bytes: 17 digits, a sign, a point, an exponent, a comma. */
const BYTES_A_NUMBER = 24;
const BYTES_BESIDES = 64 * 1024;

/** The largest body that a request may have. */
export function maxBodyBytes(config: ServiceConfig, model: ServedModel): number {
  return config.maxBodyBytes ?? config.maxServers * model.valuesPerSeries * BYTES_A_NUMBER + BYTES_BESIDES;
}

/**
 * Handles a forecast request from admission to the bytes of the answer.
 *
 * @param understand parses the body.
 * @param answer writes the answer. The model stays open until it has finished.
 */
export function forecastFor<Q extends ForecastQuestion>(
  { config, host, budget, memory, pressure, pace, metrics, tracing, sample }: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  understand: (body: Buffer, model: ServedModel, header: number | undefined) => Promise<Q>,
  answer: (forecast: Forecast, question: Q, model: ServedModel) => Promise<Buffer>,
): Promise<Buffer> {
  return host.lend(async (model) => {
    const arrived = performance.now();
    const timeoutMs = timeoutOf(request);
    try {
      pressure.refuseWhenLate(model, Math.min(timeoutMs ?? config.maxWaitMs, config.maxWaitMs));
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
          budget,
          memory,
        ),
      );
      const { forecast, question } = await tracing.step('forecast', () =>
        ask(body, model, header, timeoutMs ?? Infinity),
      );
      return await tracing.step('answer', () => answer(forecast, question, model));
    } catch (error) {
      const refusal = toHttpError(error);
      if (refusal.status < 500 && refusal.code !== 'ERR_TFT_ABORTED') metrics.engine.countInvalid(model);
      if (refusal.status === 503) await pace.next();
      throw refusal;
    }

    async function ask(body: Body, served: ServedModel, header: number | undefined, limitMs: number) {
      const client = new ClientAbort();
      const leave = () => client.abort();
      reply.raw.once('close', leave);
      try {
        const question = await understand(body.bytes, served, header);
        refuseLargeBatch(question.inputs, served, config.maxServers);
        const within = Math.min(limitMs, question.timeoutMs ?? Infinity, config.maxWaitMs);
        const deadlineMs = Math.max(0, within - (performance.now() - arrived));
        // The inputs are this request's own. After an abort a lane may still read them, and of what the memory holds
        // by then nothing comes.
        const running = served.engine.predict(question.inputs, {
          signal: client,
          deadlineMs,
          borrow: true,
        });
        // Binary inputs are views of the body, which TensorRT reads in place until the forecast is there, and a sample
        // afterwards.
        const isRead = header !== undefined && served.engine.info.backend === 'tensorrt';
        if (!isRead && !sample.isTaken) body.release();
        const forecast = await running;
        sample.offer(served, question.inputs);
        return { forecast, question };
      } finally {
        body.release();
        reply.raw.off('close', leave);
      }
    }
  });
}

/** The header X-Request-Timeout-Ms. */
function timeoutOf({ headers }: FastifyRequest): number | undefined {
  const text = headers['x-request-timeout-ms'];
  if (text === undefined) return undefined;
  if (typeof text === 'string' && /^\d{1,9}$/.test(text)) return Number(text);
  throw refusal(
    'ERR_TFT_HTTP_HEADER',
    `X-Request-Timeout-Ms must be a whole number of milliseconds, found '${String(text).slice(0, 40)}'`,
  );
}

function refuseLargeBatch(inputs: ForecastInputs, { tensors }: ServedModel, most: number): void {
  const [first] = tensors.inputs as [TensorSpec];
  const series = valuesOf(inputs, first).length / first.size;
  if (series <= most) return;
  throw refusal(
    'ERR_TFT_HTTP_TOO_LARGE',
    `the request has ${Math.floor(series)} series; at most ${most} are allowed in one request. Send several`,
  );
}

/** Checks that a JSON value is an object. @throws HttpError ERR_TFT_HTTP_BODY. */
export function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badBody(`${what} must be an object`);
}
