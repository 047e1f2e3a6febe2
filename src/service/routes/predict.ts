// POST /predict.
import type { FastifyInstance } from 'fastify';
import { sendBytes } from '../http/answer.js';
import { FORECAST_ERRORS, REQUEST_HEADERS } from '../http/openapi-parts.js';
import { predictAnswer, predictRequest } from '../http/schemas.js';
import { forecastFor, type Parts } from './forecast-request.js';
import { answerPredict, understandPredict } from './predict-request.js';

export function predictRoute(app: FastifyInstance, parts: Parts): void {
  const { config, budget } = parts;
  app.post(
    '/predict',
    {
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
    async (request, reply) => {
      const bytes = await forecastFor(
        parts,
        request,
        reply,
        (body, model) => understandPredict(body, model, config.maxServers),
        (forecast, _question, model) => answerPredict(forecast, model),
      );
      reply.type('application/json');
      return sendBytes(request, reply, bytes, { budget, compress: config.compress });
    },
  );
}
