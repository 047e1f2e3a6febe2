// POST /predict.
import type { FastifyInstance } from 'fastify';
import { FORECAST_ERRORS, REQUEST_HEADERS } from '../http/openapi-parts.js';
import { predictAnswer, predictRequest } from '../http/schemas.js';
import { refuseEarly } from './early-refusal.js';
import { forecastFor, type Parts } from './forecast-request.js';
import { answerPredict, understandPredict } from './predict-request.js';

export function predictRoute(app: FastifyInstance, parts: Parts): void {
  const { config } = parts;
  app.post(
    '/predict',
    {
      onRequest: refuseEarly(parts, () => parts.host.current),
      config: {
        operation: {
          summary: 'Forecast a batch of series',
          description:
            'Raw values in, quantiles out. /v2/models/{model} has the sizes that the model expects.',
          tag: 'forecast',
          access: 'user',
          headers: REQUEST_HEADERS,
          body: { json: predictRequest },
          answers: { 200: { description: 'the quantiles of each series and step', json: predictAnswer } },
          errors: FORECAST_ERRORS,
        },
      },
    },
    (request, reply) =>
      forecastFor(
        parts,
        request,
        reply,
        (body, model, _header, holding) => understandPredict(body, model, config.maxServers, holding),
        async (forecast, _question, model) => ({
          bytes: await answerPredict(forecast, model),
          type: 'application/json',
        }),
      ),
  );
}
