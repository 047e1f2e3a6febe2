// The mapping file: the PromQL query of each of the model's metrics. Two are part of the package, for node_exporter and
// windows_exporter.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { describeIssues, TFTError } from '../../../contract/errors.js';
import { readTextFileSync } from '../../../contract/text-file.js';
import type { FleetModel } from '../../memory/shape.js';

const query = z.string().min(1);
const comments = { why: z.string().optional() };

const metricSchema = z
  .strictObject({
    query: query.optional(),
    constant: z.number().optional(),
    absent: z.number().optional(),
    ...comments,
  })
  .refine((rule) => (rule.query === undefined) !== (rule.constant === undefined), {
    error: "needs exactly one of 'query' and 'constant'",
  })
  .refine((rule) => rule.absent === undefined || rule.query !== undefined, {
    error: "'absent' goes with 'query' only",
  });

const categorySchema = z
  .strictObject({
    query: query.optional(),
    label: z.string().min(1).optional(),
    constant: z.string().optional(),
    ...comments,
  })
  .refine(
    (rule) => (rule.constant === undefined) === (rule.query !== undefined && rule.label !== undefined),
    {
      error: "needs either 'constant', or 'query' and 'label'",
    },
  );

const mappingSchema = z.strictObject({
  schemaVersion: z.literal(1, { error: 'must be 1' }),
  name: z.string().optional(),
  description: z.string().optional(),
  server: z.string().min(1).describe('the label that names a server'),
  profile: categorySchema.optional(),
  status: categorySchema.optional(),
  metrics: z.record(z.string(), metricSchema),
});

/** The content of a mapping file. `$step` in a query is the length of a step, such as 300s. */
export type PrometheusMapping = z.infer<typeof mappingSchema>;
export type CategoryRule = z.infer<typeof categorySchema>;

const PACKED = /^[\w-]+$/;

/**
 * Reads a mapping for a model.
 *
 * @param source a path, or the name of one that is part of the package.
 * @throws TFTError ERR_TFT_FILE, ERR_TFT_MAP_INVALID, the latter also if one of the model's metrics is missing.
 */
export function loadMapping(source: string, model: FleetModel): PrometheusMapping {
  const path = packed(source) ?? source;
  let json: unknown;
  try {
    json = JSON.parse(readTextFileSync(path));
  } catch (cause) {
    const isSyntax = cause instanceof SyntaxError;
    throw new TFTError(
      isSyntax ? 'ERR_TFT_MAP_INVALID' : 'ERR_TFT_FILE',
      isSyntax ? `${path} is not JSON: ${cause.message}` : `cannot read ${path}: ${(cause as Error).message}`,
      { cause },
    );
  }
  const result = mappingSchema.safeParse(json);
  if (!result.success) {
    throw new TFTError('ERR_TFT_MAP_INVALID', `${path}: ${describeIssues(result.error)}`, {
      cause: result.error,
    });
  }
  const missing = model.metrics.map(({ name }) => name).filter((name) => !(name in result.data.metrics));
  if (missing.length > 0) {
    throw new TFTError(
      'ERR_TFT_MAP_INVALID',
      `${path} does not say what gives ${missing.join(', ')}, which the model reads`,
      { details: { missing } },
    );
  }
  return result.data;
}

function packed(name: string): string | undefined {
  if (!PACKED.test(name) || existsSync(name)) return undefined;
  const path = fileURLToPath(new URL(`../../../../maps/prometheus/${name}.json`, import.meta.url));
  return existsSync(path) ? path : undefined;
}
