// The column map: a small JSON file that defines how another system's columns become the model's metrics.
import { z } from 'zod';
import { describeIssues, TFTError } from '../contract/errors.js';
import { packedMap } from '../contract/packed.js';
import { readTextFile } from '../contract/text-file.js';
import { fileError } from './csv.js';

const column = z.string().min(1);
const clip = z
  .tuple([z.number().nullable(), z.number().nullable()])
  .refine(([low, high]) => low === null || high === null || low <= high, {
    error: 'the lower limit is above the upper',
  });
const comments = { why: z.string().optional() };

const metricSchema = z
  .strictObject({
    column: column.optional(),
    scale: z.number().optional(),
    sum: z
      .array(z.tuple([z.number()], column))
      .min(1)
      .optional(),
    constant: z.number().optional(),
    clip: clip.optional(),
    ...comments,
  })
  .refine(
    (rule) => [rule.column, rule.sum, rule.constant].filter((part) => part !== undefined).length === 1,
    {
      error: "needs exactly one of 'column', 'sum' and 'constant'",
    },
  )
  .refine((rule) => rule.scale === undefined || rule.column !== undefined, {
    error: "'scale' goes with 'column' only",
  });

const categorySchema = z
  .strictObject({
    column: column.optional(),
    values: z.record(z.string(), z.string()).optional(),
    constant: z.string().optional(),
    ...comments,
  })
  .refine((rule) => (rule.column === undefined) !== (rule.constant === undefined), {
    error: "needs exactly one of 'column' and 'constant'",
  })
  .refine((rule) => rule.values === undefined || rule.column !== undefined, {
    error: "'values' goes with 'column' only",
  });

const columnMapSchema = z.strictObject({
  schemaVersion: z.literal(1, { error: 'must be 1' }),
  name: z.string().optional(),
  description: z.string().optional(),
  timestamp: column.default('timestamp'),
  server_name: column.default('server_name'),
  profile: categorySchema.optional(),
  status: categorySchema.optional(),
  metrics: z.record(z.string(), metricSchema).default({}),
});

/** The definition of one metric: a column times `scale`, a sum of products of columns, or a constant. */
export type MetricRule = z.infer<typeof metricSchema>;
/** The definition of one category: a column with its values translated, or a constant. */
export type CategoryRule = z.infer<typeof categorySchema>;
/** The contents of a column map's file; docs/cli.md describes the format. */
export type ColumnMap = z.infer<typeof columnMapSchema>;

/**
 * Checks a column map.
 *
 * @param where its name in error messages, such as the file's path.
 * @throws TFTError ERR_TFT_MAP_INVALID naming the key.
 */
export function parseColumnMap(value: unknown, where = 'column map'): ColumnMap {
  const result = columnMapSchema.safeParse(value);
  if (result.success) return result.data;
  throw new TFTError('ERR_TFT_MAP_INVALID', `${where}: ${describeIssues(result.error)}`, {
    cause: result.error,
  });
}

/**
 * Reads a column map file.
 *
 * @param given a path, or the name of a map in this package: 'bitbrains'.
 * @throws TFTError ERR_TFT_FILE or ERR_TFT_MAP_INVALID.
 */
export async function loadColumnMap(given: string): Promise<ColumnMap> {
  const path = packedMap(given) ?? given;
  let text: string;
  try {
    text = await readTextFile(path);
  } catch (cause) {
    throw fileError(path, cause as NodeJS.ErrnoException);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TFTError('ERR_TFT_MAP_INVALID', `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parseColumnMap(json, path);
}
