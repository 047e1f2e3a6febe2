// zod schemas of the JSON that the service reads and writes. The OpenAPI document is generated from them, and tests check real
// responses against them. Requests are not checked with them, because that would be too slow for a million numbers.
import { z } from 'zod';
import { INPUTS, TENSOR_TYPES } from '../../contract/names.js';
import { INTEGER_TYPES } from '../../kserve/integers.js';

/** Numbers in arrays, flat or nested. */
const numbers = z
  .array(z.union([z.number(), z.array(z.union([z.number(), z.array(z.number())]))]))
  .min(1)
  .meta({ description: '[series, steps, channels], or the same numbers flat, row-major' });

export const predictRequest = z
  .strictObject(Object.fromEntries(INPUTS.map(({ name, meaning }) => [name, numbers.describe(meaning)])))
  .meta({ id: 'PredictRequest' });

export const predictAnswer = z
  .strictObject({
    model: z.string(),
    version: z.string(),
    target: z.string().describe('the metric that is forecast'),
    step_minutes: z.number(),
    quantiles: z.array(z.number()),
    shape: z.array(z.int()).length(3).describe('series, steps, quantiles'),
    predictions: z.array(z.array(z.array(z.number().nullable()))).describe("in the target's own unit"),
  })
  .meta({ id: 'PredictAnswer' });

const row = z
  .looseObject({
    timestamp: z.union([z.string(), z.number()]).describe('a time, or milliseconds since 1970'),
    server_name: z.string().min(1),
  })
  .describe(
    "and the model's categories and metrics by name, a metric that was not measured null; or these under 'metrics'",
  );

/** The options of a request of rows: as keys beside `rows`, or in the URL. */
export const forecastOptions = z.strictObject({
  at: z
    .union([z.string(), z.number()])
    .optional()
    .describe('the time to forecast from; the newest row of each server without it'),
  servers: z.array(z.string()).optional().describe('only these'),
  raw: z
    .boolean()
    .optional()
    .describe("the network's own numbers: quantiles may cross, and leave the target's range"),
  maxGapMinutes: z.number().nonnegative().optional().describe('gaps up to so long are filled; 60 without it'),
  allowSparse: z.boolean().optional().describe('forecast also servers whose rows are few'),
  repeatKnown: z.boolean().optional().describe('take the last value of categories that are known ahead'),
});

export const forecastRequest = z
  .union([
    z.array(row),
    z.strictObject({
      rows: z.array(row),
      ...forecastOptions.pick({ at: true, servers: true, raw: true }).shape,
    }),
  ])
  .meta({ id: 'ForecastRequest' });

export { forecastSchema } from '../../forecast-schema.js';

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export const inferRequest = z
  .object({
    id: z.string().max(512).nullish(),
    parameters: parameters.nullish().describe('binary_data_output; timeout in microseconds'),
    inputs: z
      .array(
        z.object({
          name: z.string(),
          shape: z.array(z.int().nonnegative()),
          datatype: z.enum([TENSOR_TYPES.float32, ...INTEGER_TYPES]),
          parameters: parameters.nullish().describe('binary_data_size'),
          data: numbers.nullish(),
        }),
      )
      .min(1),
    outputs: z
      .array(z.object({ name: z.string(), parameters: parameters.nullish().describe('binary_data') }))
      .nullish(),
  })
  .meta({ id: 'InferRequest' });

export const inferAnswer = z
  .strictObject({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    outputs: z.array(
      z.strictObject({
        name: z.string(),
        datatype: z.string(),
        shape: z.array(z.int()),
        data: z.array(z.number().nullable()).optional(),
        parameters: z.strictObject({ binary_data_size: z.int() }).optional(),
      }),
    ),
  })
  .meta({ id: 'InferAnswer' });

export const serverMetadata = z
  .strictObject({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .meta({ id: 'ServerMetadata' });

const tensorMetadata = z.strictObject({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });

export const modelMetadata = z
  .strictObject({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorMetadata),
    outputs: z.array(tensorMetadata),
  })
  .meta({ id: 'ModelMetadata' });

const tensorConfig = z.strictObject({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.int()),
});

export const modelConfig = z
  .strictObject({
    name: z.string(),
    platform: z.string(),
    backend: z.string(),
    max_batch_size: z.int(),
    input: z.array(tensorConfig),
    output: z.array(tensorConfig),
    dynamic_batching: z.strictObject({}),
  })
  .meta({ id: 'ModelConfig' });

const duration = z.strictObject({ count: z.int(), ns: z.int() });

export const modelStatistics = z
  .strictObject({
    model_stats: z.array(
      z.strictObject({
        name: z.string(),
        version: z.string(),
        last_inference: z.int(),
        inference_count: z.int(),
        execution_count: z.int(),
        inference_stats: z.strictObject({
          success: duration,
          fail: duration,
          queue: duration,
          compute_input: duration,
          compute_infer: duration,
          compute_output: duration,
          cache_hit: duration,
          cache_miss: duration,
        }),
        batch_stats: z.array(z.unknown()),
      }),
    ),
  })
  .meta({ id: 'ModelStatistics' });

export const repositoryIndex = z
  .array(z.strictObject({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }))
  .meta({ id: 'RepositoryIndex' });

export const live = z.strictObject({ live: z.boolean() }).meta({ id: 'Live' });
export const ready = z
  .strictObject({ ready: z.boolean(), name: z.string().optional(), reason: z.string().optional() })
  .meta({ id: 'Ready' });

export const reloaded = z.strictObject({ model: z.string(), version: z.string() }).meta({ id: 'Reloaded' });

export const openApi = z
  .looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) })
  .meta({ id: 'OpenApi' });

export const errorAnswer = z
  .strictObject({
    error: z.string().describe('what is wrong and what to do'),
    code: z.string().describe('stable; branch on this'),
    request_id: z.string().optional(),
  })
  .meta({ id: 'Error' });
