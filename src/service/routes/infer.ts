// POST /v2/models/{model}[/versions/{version}]/infer: KServe v2, JSON or binary.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HEADER_LENGTH } from '../../kserve/wire.js';
import { FORECAST_ERRORS, REQUEST_HEADERS } from '../http/openapi-parts.js';
import type { Operation } from '../http/operation.js';
import { inferAnswer, inferRequest } from '../http/schemas.js';
import { answerInfer } from '../kserve/infer-answer.js';
import { understandInfer } from '../kserve/infer-request.js';
import { refuseEarly } from './early-refusal.js';
import { forecastFor, type Parts } from './forecast-request.js';
import { type ModelPath, modelNamed } from './model-path.js';

const operation: Operation = {
  summary: 'Forecast by the KServe v2 protocol',
  description:
    'With the header Inference-Header-Content-Length the body is that many bytes of JSON, followed by the inputs as ' +
    'little-endian bytes in their order.',
  tag: 'kserve',
  access: 'user',
  headers: REQUEST_HEADERS,
  body: { json: inferRequest, binary: 'JSON and then the tensors' },
  answers: {
    200: { description: 'the predictions', json: inferAnswer, binary: 'JSON and then the predictions' },
  },
  errors: [...FORECAST_ERRORS, 404],
};

export function inferRoutes(app: FastifyInstance, parts: Parts): void {
  const { config, host } = parts;
  for (const url of ['/v2/models/:model/infer', '/v2/models/:model/versions/:version/infer']) {
    app.post(
      url,
      {
        config: { operation },
        onRequest: refuseEarly(parts, ({ params }) => modelNamed(host, params as ModelPath)),
      },
      async (request: FastifyRequest<{ Params: ModelPath }>, reply) => {
        modelNamed(host, request.params);
        return forecastFor(
          parts,
          request,
          reply,
          (body, model, header, holding) => understandInfer(body, model, header, config.maxServers, holding),
          async (forecast, question, model) => {
            const { bytes, header } = await answerInfer(forecast, question, model);
            return header === undefined
              ? { bytes, type: 'application/json' }
              : { bytes, type: 'application/octet-stream', headers: { [HEADER_LENGTH]: String(header) } };
          },
        );
      },
    );
  }
}
