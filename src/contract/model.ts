// A model bundle's description: reads model.json, and checks that it is consistent and that its files are the right ones.
// Every size used elsewhere in this package comes from here.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { describeIssues, TFTError } from './errors.js';
import { type Located, locate } from './locate.js';
import {
  INPUTS,
  type InputName,
  KNOWN_FEATURES,
  LENGTHS_INPUT,
  MODEL_FILE,
  PRECISIONS,
  PREDICTIONS,
  STATIC_INPUT,
  TENSOR_TYPES,
  type TensorType,
  VARIANT_PRECISIONS,
} from './names.js';
import { readTextFile } from './text-file.js';

const name = z.string().min(1);
const positive = z.int().positive();

const fileSchema = z.object({
  path: name.refine((path) => !isAbsolute(path) && !path.split(/[\\/]/).includes('..'), {
    error: 'must be a relative path inside the bundle',
  }),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  simulated: z.boolean().optional(),
});

const metricSchema = z.object({
  name,
  unit: z.string(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  /**
   * How a metric is known ahead, which makes it a channel of decoder_cont too: rows of the steps ahead give it, the
   * calendar says it, or it counts steps.
   */
  ahead: z.enum(['given', 'calendar', 'count']).optional(),
});

const categorySchema = z.object({
  name,
  codes: z.record(z.string(), z.int().nonnegative()).refine(
    (codes) =>
      Object.values(codes)
        .sort((a, b) => a - b)
        .every((code, index) => code === index),
    { error: 'codes must be 0, 1, 2 … with none missing or twice' },
  ),
  role: z.enum(['static', 'varying', 'known']),
});

const tensorSchema = z.object({
  name,
  type: z.enum(Object.keys(TENSOR_TYPES) as TensorType[]),
  shape: z.tuple([z.string(), positive, positive]),
});

/** A file for each input. */
const inputFiles = Object.fromEntries(INPUTS.map(({ name }) => [name, fileSchema])) as Record<
  InputName,
  typeof fileSchema
>;

const samplesSchema = z.object({
  count: positive,
  spread: z.number().positive(),
  tolerance: z.number().positive(),
  source: z.string(),
  monthTurn: z.array(z.int().nonnegative()).optional(),
  files: z.object({ ...inputFiles, expected: fileSchema }).catchall(fileSchema),
});

/** A graph of the same model in another precision: strongly typed, with the same inputs and output. */
const variantSchema = z.object({
  file: fileSchema,
  lstm: z.string().optional(),
  /** Parts that stay in a wider precision, and why. */
  kept: z
    .array(
      z.object({ part: z.string(), precision: z.string(), nodes: z.int().nonnegative(), why: z.string() }),
    )
    .optional(),
  calibration: z.record(z.string(), z.unknown()).optional(),
});

/** The goal of a precision: `share` of the outputs must differ from PyTorch's by at most `within` of the spread. */
const goalSchema = z.looseObject({
  shares: z.array(z.looseObject({ share: z.number().gt(0).lt(1), within: z.number().positive() })).min(1),
});

/** The same model with further outputs, which say what a forecast rests on. */
const explanationSchema = z.object({
  onnx: fileSchema,
  torchscript: fileSchema.optional(),
  /** Those after the model's own. */
  outputs: z.array(tensorSchema).min(1),
  /** The variables of each selection, in the order of its output's values. One variable alone has no output: its weight is 1. */
  selections: z.array(
    z.object({
      of: z.enum(['static', 'encoder', 'decoder']),
      variables: z.array(name).min(1),
      output: name.optional(),
    }),
  ),
  /** The output with the attention, and the parts of the horizon that its rows are: first step, step after the last. */
  attention: z.object({ output: name, parts: z.array(z.tuple([z.int().nonnegative(), positive])).min(1) }),
});

/** The differences of each precision from PyTorch. Shares are fractions, `largest` is in the target's unit. */
const accuracySchema = z.looseObject({
  /** The target's standard deviation over the judged windows. */
  spread: z.number().positive().optional(),
  /** The goals of `tft verify` and of the exporter's judges; bundles of older exporters have none. */
  goals: z.partialRecord(z.enum(PRECISIONS), goalSchema).optional(),
  rows: z.array(
    z.looseObject({
      precision: name,
      within1: z.number().optional(),
      within05: z.number().optional(),
      largest: z.number().optional(),
      pinball: z.number().optional(),
      pinballChange: z.number().optional(),
      coverage80: z.number().optional(),
      crossed: z.number().optional(),
    }),
  ),
});

const modelSchema = z
  .object({
    schemaVersion: z.literal(1, { error: 'must be 1: this file is from another version of the exporter' }),
    name,
    description: z.string().optional(),
    stepMinutes: z.number().positive(),
    encoderLength: positive,
    /** The fewest steps of the encoder that a series may have, where that is not all; encoder_lengths says how many it has. */
    minEncoderLength: positive.optional(),
    horizon: positive,
    target: name,
    quantiles: z
      .array(z.number().gt(0).lt(1))
      .min(1)
      .refine((values) => values.every((value, index) => index === 0 || value > (values[index - 1] ?? 1)), {
        error: 'must increase',
      }),
    metrics: z.array(metricSchema).min(1).refine(namesDiffer, { error: 'two have the same name' }),
    categories: z.array(categorySchema).min(1).refine(namesDiffer, { error: 'two have the same name' }),
    known: z.array(name).min(1),
    /** The channels of static_cont: numbers that a series keeps. */
    statics: z
      .array(z.object({ name, unit: z.string() }))
      .min(1)
      .refine(namesDiffer, { error: 'two have the same name' })
      .optional(),
    /** Where there are several targets: each with its output. `target` and `quantiles` are the first's. */
    targets: z.array(z.object({ name, output: name, quantiles: z.array(z.number()) })).optional(),
    /** The columns that name a series together, where a history has no server_name. */
    series: z.array(name).min(1).optional(),
    /** The months in a step, where it has no fixed length; `stepMinutes` is then its average. */
    stepMonths: positive.optional(),
    inputs: z.array(tensorSchema),
    outputs: z.array(tensorSchema),
    files: z.object({
      onnx: fileSchema,
      checkpoint: fileSchema.optional(),
      history: fileSchema.optional(),
      torchscript: fileSchema.optional(),
    }),
    variants: z.partialRecord(z.enum(VARIANT_PRECISIONS), variantSchema).optional(),
    explanation: explanationSchema.optional(),
    accuracy: accuracySchema.optional(),
    samples: samplesSchema.optional(),
    versions: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
    network: z.record(z.string(), z.unknown()).optional(),
    training: z.record(z.string(), z.unknown()).optional(),
  })
  .superRefine((model, context) => {
    const refuse = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    if (!model.metrics.some((metric) => metric.name === model.target)) {
      refuse(['target'], `'${model.target}' is none of the metrics`);
    }
    const ahead = model.metrics.filter((metric) => metric.ahead !== undefined).map((metric) => metric.name);
    for (const [index, known] of model.known.entries()) {
      if (ahead.includes(known) || (KNOWN_FEATURES as readonly string[]).includes(known)) continue;
      refuse(['known', index], `'${known}' is neither of the calendar nor a metric that is known ahead`);
    }
    const statics = model.inputs
      .find((tensor) => tensor.name === STATIC_INPUT)
      ?.shape.slice(1)
      .join(', ');
    if (model.statics !== undefined && statics !== `1, ${model.statics.length}`) {
      refuse(['inputs', STATIC_INPUT], `must have the shape [batch, 1, ${model.statics.length}] of statics`);
    }
    const lengths = model.inputs.find((tensor) => tensor.name === LENGTHS_INPUT);
    if ((lengths === undefined) !== (model.minEncoderLength === undefined)) {
      refuse(['minEncoderLength'], `must be there if and only if the input ${LENGTHS_INPUT} is`);
    } else if (lengths !== undefined && `${lengths.type} ${lengths.shape.slice(1)}` !== 'int32 1,1') {
      refuse(['inputs', LENGTHS_INPUT], 'must be int32 [batch, 1, 1]');
    }
    if ((model.minEncoderLength ?? 1) > model.encoderLength) {
      refuse(['minEncoderLength'], `must not be above encoderLength, ${model.encoderLength}`);
    }
    const expected = [
      ...INPUTS.map((tensor) => ({ side: 'inputs', ...tensor }) as const),
      { side: 'outputs', ...PREDICTIONS } as const,
    ];
    for (const { side, name: tensorName, type, ...sizes } of expected) {
      const [steps, channels] = [model[sizes.steps], model[sizes.channels].length];
      const tensor = model[side].find((candidate) => candidate.name === tensorName);
      const shape = tensor?.shape.slice(1).join(', ');
      if (tensor === undefined) {
        refuse([side], `'${tensorName}' is missing`);
      } else if (tensor.type !== type || shape !== `${steps}, ${channels}`) {
        refuse(
          [side, tensorName],
          `is ${tensor.type} [batch, ${shape}], but the rest of the file says ${type} [batch, ${steps}, ${channels}]`,
        );
      }
    }
    if (model.explanation !== undefined) {
      const { outputs, selections, attention } = model.explanation;
      const explains = [
        ...selections.flatMap(({ output, variables }) =>
          output ? [{ output, sizes: [1, variables.length] }] : [],
        ),
        { output: attention.output, sizes: [attention.parts.length] },
      ];
      for (const { output, sizes } of explains) {
        const tensor = outputs.find((candidate) => candidate.name === output);
        const fits =
          tensor?.type === 'float32' && sizes.every((size, axis) => size === tensor.shape[axis + 1]);
        if (!fits)
          refuse(['explanation', 'outputs'], `'${output}' must be float32 [batch, ${sizes.join(', ')} …]`);
      }
      for (const { of, output, variables } of selections) {
        if (output === undefined && variables.length > 1)
          refuse(['explanation', 'selections', of], 'several variables need an output');
      }
      if (!attention.parts.every(([from, to]) => from < to && to <= model.horizon))
        refuse(['explanation', 'attention', 'parts'], 'must be parts of the horizon');
      if (!namesDiffer([...model.outputs, ...outputs]))
        refuse(['explanation', 'outputs'], 'two have the same name');
    }
    for (const side of ['inputs', 'outputs'] as const) {
      if (!namesDiffer(model[side])) refuse([side], 'two have the same name');
    }
  });

function namesDiffer(items: readonly { name: string }[]): boolean {
  return new Set(items.map((item) => item.name)).size === items.length;
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type ModelFile = DeepReadonly<z.infer<typeof modelSchema>>;

/** A measured channel that the encoder reads, in raw units. Readers of history check values against its range. */
export type Metric = ModelFile['metrics'][number];
/** A category channel: its codes by name, 0 being 'unknown'. */
export type Category = ModelFile['categories'][number];
/** A feature of the calendar that is known ahead, computed in UTC. */
export type KnownFeature = (typeof KNOWN_FEATURES)[number];
/** A file of the bundle: its path relative to the bundle, its size and hash. */
export type BundleFile = DeepReadonly<z.infer<typeof fileSchema>>;

/** The contents of a bundle's model.json, checked, and where the bundle is. */
export interface ModelDescription extends Omit<ModelFile, 'files'> {
  /** The bundle's files. Empty for a model that is described by its TensorRT plan alone. */
  readonly files: Partial<ModelFile['files']>;
  /** The bundle's folder, absolute. */
  readonly directory: string;
  /** The ONNX file to run, absolute. Empty for a model that is described by its TensorRT plan alone. */
  readonly onnxPath: string;
  /**
   * The categories with the role 'varying' whose values of the steps ahead the graph reads together with those of others, by
   * name; histories warn when they repeat the last value of one that changes. Only of a loaded engine's model.
   */
  readonly readAhead?: readonly string[];
}

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /** Whether the file's size and SHA-256 are compared with model.json; true by default. */
  verifyHash?: boolean | undefined;
  /** Whether the graph that also says what its forecasts rest on is meant; false by default. */
  explain?: boolean | undefined;
}

/**
 * Reads and checks a bundle's description.
 *
 * @param path a bundle folder, its model.json, or an ONNX file, TensorRT plan or TorchScript module with model.json in its
 *   folder. Plans and modules need no ONNX file.
 * @throws TFTError ERR_TFT_OPTION, ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_INVALID, ERR_TFT_MODEL_HASH; ERR_TFT_UNSUPPORTED
 *   with `explain` for a model without a graph that explains.
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<ModelDescription> {
  const located = locate(path);
  const { directory } = located;
  const model = await describeModel(located, options.explain);
  if (located.kind === 'plan') return model;
  const runs = located.kind === 'torchscript' ? located.path : model.onnxPath;
  const file = bundleFiles(model).find((entry) => join(directory, entry.path) === runs);
  await statOrRefuse(runs, runs);
  if (options.verifyHash ?? true) {
    if (file === undefined) {
      throw new TFTError(
        'ERR_TFT_MODEL_HASH',
        `${basename(runs)} is not named in ${join(directory, MODEL_FILE)}, so its hash is unknown; ` +
          'pass verifyHash: false to load it anyway',
      );
    }
    await verifyBundleFile(model, file);
  }
  return model;
}

/**
 * Reads and checks a bundle's description alone; its files need not be there.
 *
 * @param explain whether the graph that explains is meant. It also is if the path names its file.
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_INVALID, ERR_TFT_UNSUPPORTED.
 */
export async function describeModel(
  { kind, path, directory }: Located,
  explain = false,
): Promise<ModelDescription> {
  const description = join(directory, MODEL_FILE);
  const read = parseModel(await readDescription(description), description);
  const files = [read.explanation?.onnx, read.explanation?.torchscript].filter((file) => file !== undefined);
  const isNamed = files.some((file) => join(directory, file.path) === path);
  const isMeant = explain || isNamed;
  if (explain && (kind === 'onnx' || kind === 'torchscript') && !isNamed) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `explain: ${path} is not the graph that explains; name its folder ${directory}`,
    );
  }
  const described = isMeant ? withExplanation(read, directory) : read;
  const onnxPath = kind === 'onnx' ? path : join(directory, described.files.onnx.path);
  return deepFreeze({ ...described, directory, onnxPath });
}

/** The description of the graph that explains: it has further outputs, and no variants. */
function withExplanation(model: z.infer<typeof modelSchema>, directory: string): typeof model {
  const { explanation, files, outputs } = model;
  if (explanation === undefined) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${directory} has no graph that says what its forecasts rest on; 'tft-export explain ${directory}' adds it`,
    );
  }
  const { onnx, torchscript } = explanation;
  return {
    ...model,
    files: { ...files, onnx, torchscript },
    outputs: [...outputs, ...explanation.outputs],
    variants: undefined,
  };
}

/** The files that a bundle's description names, except its samples. */
export function bundleFiles(model: ModelDescription): readonly BundleFile[] {
  const variants = Object.values(model.variants ?? {}).map((variant) => variant?.file);
  const { onnx, torchscript } = model.explanation ?? {};
  const files = [...Object.values(model.files), ...variants, onnx, torchscript];
  return [...new Set(files)].filter((file) => file !== undefined);
}

/**
 * Reads one file of a bundle and compares its size and hash with model.json.
 *
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND or ERR_TFT_MODEL_HASH.
 */
export async function readBundleFile(model: ModelDescription, file: BundleFile): Promise<Buffer> {
  const path = join(model.directory, file.path);
  await statOrRefuse(path, path);
  const content = await readFile(path).catch((cause: Error) => {
    throw unreadable(path, cause);
  });
  compare(path, file, content.length, createHash('sha256').update(content).digest('hex'));
  return content;
}

/**
 * Compares one file's size and hash with model.json, without holding it in memory.
 *
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND or ERR_TFT_MODEL_HASH.
 */
export async function verifyBundleFile(
  model: Pick<ModelDescription, 'directory'>,
  file: BundleFile,
): Promise<void> {
  const path = join(model.directory, file.path);
  const { size } = await statOrRefuse(path, path);
  const hash = createHash('sha256');
  if (size === file.bytes) {
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    } catch (cause) {
      throw unreadable(path, cause as Error);
    }
  }
  compare(path, file, size, hash.digest('hex'));
}

function compare(path: string, file: BundleFile, bytes: number, sha256: string): void {
  const found = bytes === file.bytes ? sha256 : `${bytes} bytes`;
  const expected = bytes === file.bytes ? file.sha256 : `${file.bytes} bytes`;
  if (found !== expected) {
    throw new TFTError(
      'ERR_TFT_MODEL_HASH',
      `${path} is not the file that ${MODEL_FILE} describes: found ${found}, expected ${expected}; ` +
        'copy or export the bundle again',
      { details: { path, found, expected } },
    );
  }
}

function unreadable(path: string, cause: Error): TFTError {
  const message = `${path} cannot be read: ${cause.message}`;
  return new TFTError('ERR_TFT_MODEL_NOT_FOUND', message, { cause, details: { path } });
}

async function statOrRefuse(path: string, shown: string) {
  try {
    return await stat(path);
  } catch (cause) {
    throw new TFTError('ERR_TFT_MODEL_NOT_FOUND', `no model at ${shown}`, { cause, details: { path } });
  }
}

async function readDescription(path: string): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_MODEL_NOT_FOUND',
      `${path} cannot be read; it must be the bundle's description`,
      {
        cause,
        details: { path },
      },
    );
  }
}

function parseModel(text: string, path: string): z.infer<typeof modelSchema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TFTError('ERR_TFT_MODEL_INVALID', `${path} is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  const result = modelSchema.safeParse(json);
  if (!result.success) {
    throw new TFTError('ERR_TFT_MODEL_INVALID', `${path}: ${describeIssues(result.error)}`, {
      cause: result.error,
      details: { path },
    });
  }
  return result.data;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
