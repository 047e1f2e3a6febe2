// The served model by the KServe v2 protocol and Triton's extensions: metadata, configuration, statistics, repository.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ownVersion } from '../../contract/own-version.js';
import type { TensorSpec } from '../../contract/tensors.js';
import { wireTensor } from '../../kserve/wire.js';
import { refusal } from '../http/http-error.js';
import {
  modelConfig,
  modelMetadata,
  modelStatistics,
  ready,
  reloaded,
  repositoryIndex,
  serverMetadata,
} from '../http/schemas.js';
import type { ServedModel } from '../model-host.js';
import type { Parts } from './forecast-request.js';
import { type ModelPath, modelNamed } from './model-path.js';

const EXTENSIONS = ['binary_tensor_data', 'model_configuration', 'model_repository', 'statistics'];
const PLATFORM = 'tft_tensorrt';

type ModelRequest = FastifyRequest<{ Params: ModelPath }>;

export function modelRoutes(app: FastifyInstance, parts: Parts): void {
  const { host, pressure } = parts;
  const version = ownVersion();
  const tag = 'kserve';
  const access = 'user';

  app.get(
    '/v2',
    {
      config: {
        operation: {
          summary: 'The server',
          tag,
          access,
          answers: { 200: { description: 'its name, version and extensions', json: serverMetadata } },
        },
      },
    },
    async () => ({ name: 'tft-tensorrt', version, extensions: EXTENSIONS }),
  );

  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get(
      base,
      {
        config: {
          operation: {
            summary: 'The model: its tensors',
            tag,
            access,
            answers: { 200: { description: 'names, types and shapes', json: modelMetadata } },
            errors: [404, 503],
          },
        },
      },
      async (request: ModelRequest) => metadata(modelNamed(host, request.params)),
    );
    app.get(
      `${base}/ready`,
      {
        config: {
          operation: {
            summary: 'Whether the model accepts requests',
            tag,
            access,
            answers: { 200: { description: 'it does', json: ready } },
            errors: [404, 503],
          },
        },
      },
      async (request: ModelRequest) => {
        const model = modelNamed(host, request.params);
        if (host.state.phase !== 'ready') {
          throw refusal('ERR_TFT_HTTP_NOT_READY', host.state.reason, { retryAfter: 5 });
        }
        if (pressure.isFull(model)) {
          throw refusal('ERR_TFT_HTTP_OVERLOADED', 'the queue is full', { retryAfter: 1 });
        }
        return { name: model.name, ready: true };
      },
    );
    app.get(
      `${base}/config`,
      {
        config: {
          operation: {
            summary: "The model's configuration, as Triton's clients ask for it",
            tag,
            access,
            answers: { 200: { description: 'the configuration', json: modelConfig } },
            errors: [404, 503],
          },
        },
      },
      async (request: ModelRequest) => configuration(modelNamed(host, request.params)),
    );
    app.get(
      `${base}/stats`,
      {
        config: {
          operation: {
            summary: "The model's statistics since it was loaded",
            tag,
            access,
            answers: { 200: { description: 'the statistics', json: modelStatistics } },
            errors: [404, 503],
          },
        },
      },
      async (request: ModelRequest) => statistics(modelNamed(host, request.params)),
    );
  }

  app.post(
    '/v2/repository/index',
    {
      config: {
        operation: {
          summary: 'The available models',
          tag,
          access,
          answers: { 200: { description: 'the one that is served', json: repositoryIndex } },
        },
      },
    },
    async () =>
      host.live.map((model) => ({
        name: model.name,
        version: model.version,
        state: model === host.current ? 'READY' : 'UNAVAILABLE',
        reason: model === host.current ? '' : 'unloading',
      })),
  );
  for (const url of ['/admin/reload', '/v2/repository/models/:model/load']) {
    app.post(
      url,
      {
        config: {
          operation: {
            summary: 'Load the model from its path again and serve it instead of the old one',
            description:
              'The old one finishes its requests. If the new one fails to load, the old one stays.',
            tag: 'operations',
            access: 'administrator',
            answers: { 200: { description: 'the new one serves', json: reloaded } },
            errors: [403, 404, 500, 503],
          },
        },
      },
      async (request: FastifyRequest<{ Params: Partial<ModelPath> }>) => {
        const { model: name } = request.params;
        if (name !== undefined) modelNamed(host, { model: name });
        const model = await host.load();
        return { model: model.name, version: model.version };
      },
    );
  }
}

function metadata({ name, version, tensors }: ServedModel) {
  return {
    name,
    versions: [version],
    platform: PLATFORM,
    inputs: tensors.inputs.map((tensor) => wireTensor(tensor)),
    outputs: tensors.outputs.map((tensor) => wireTensor(tensor)),
  };
}

function configuration({ name, tensors, engine }: ServedModel) {
  const configure = (tensor: TensorSpec) => {
    const { datatype, shape } = wireTensor(tensor);
    return { name: tensor.name, data_type: `TYPE_${datatype}`, dims: shape.slice(1) };
  };
  return {
    name,
    platform: PLATFORM,
    backend: engine.info.backend,
    max_batch_size: engine.info.maxBatch,
    input: tensors.inputs.map(configure),
    output: tensors.outputs.map(configure),
    dynamic_batching: {},
  };
}

/** Counts of requests, and nanoseconds, as in Triton's statistics. */
function statistics({ name, version, engine }: ServedModel) {
  const counters = engine.counters();
  const { succeeded, servers, batches } = counters;
  const entry = (count: number, microseconds: number) => ({ count, ns: Math.round(microseconds * 1000) });
  const { queueMicroseconds, inputMicroseconds, inferMicroseconds, outputMicroseconds } = counters;
  const total = queueMicroseconds + inputMicroseconds + inferMicroseconds + outputMicroseconds;
  return {
    model_stats: [
      {
        name,
        version,
        last_inference: 0,
        inference_count: servers,
        execution_count: batches,
        inference_stats: {
          success: entry(succeeded, total),
          fail: entry(counters.failed + counters.cancelled + counters.expired + counters.refused, 0),
          queue: entry(succeeded, queueMicroseconds),
          compute_input: entry(succeeded, inputMicroseconds),
          compute_infer: entry(succeeded, inferMicroseconds),
          compute_output: entry(succeeded, outputMicroseconds),
          cache_hit: entry(0, 0),
          cache_miss: entry(0, 0),
        },
        batch_stats: [],
      },
    ],
  };
}
