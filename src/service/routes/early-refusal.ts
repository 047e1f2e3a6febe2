// Refuses a forecast that cannot run in time as soon as its headers have arrived. An overloaded service answers most
// requests so, and in the route's handler, after Fastify has prepared the body and the response, it would cost more.
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import type { HttpError } from '../http/http-error.js';
import type { ServedModel } from '../model-host.js';
import { type Parts, timeoutOf } from './forecast-request.js';

/**
 * The hook `onRequest` of a route that forecasts.
 *
 * @param modelOf the model that a request asks for; throws HttpError.
 */
export function refuseEarly(parts: Parts, modelOf: (request: FastifyRequest) => ServedModel | undefined) {
  const { budget, config, pace, pressure } = parts;
  const hook: onRequestHookHandler = (request, _reply, done) => {
    const refusal = refusalOf(request);
    if (refusal === undefined) return done();
    // A body that is not read would stay in its socket's buffers.
    request.raw.resume();
    const turn = pace.next();
    if (turn === undefined) done(refusal);
    else void turn.then(() => done(refusal));
  };
  return hook;

  function refusalOf(request: FastifyRequest): HttpError | undefined {
    let model: ServedModel | undefined;
    let withinMs: number;
    try {
      model = modelOf(request);
      withinMs = Math.min(timeoutOf(request) ?? Infinity, config.maxWaitMs);
    } catch {
      // The handler refuses it, and counts why.
      return undefined;
    }
    return model && (pressure.refusalOf(model, withinMs) ?? budget.refusal);
  }
}
