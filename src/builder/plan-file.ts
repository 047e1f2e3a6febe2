// TensorRT plan files: the precision in a file's name, the choice among a bundle's plans, and the description of a model
// that consists of a plan only.
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { TFTError } from '../contract/errors.js';
import type { ModelDescription } from '../contract/model.js';
import {
  INPUTS,
  isPlan,
  KNOWN_FEATURES,
  PRECISIONS,
  PREDICTIONS,
  type Precision,
  type TensorType,
} from '../contract/names.js';
import type { PlanReport } from '../native/addon.js';
import { readRecord, recordPathOf } from './engine-record.js';

/** The precision in a plan's name, as in tft_model_fp16.engine. For plans without a record. */
export function precisionOf(plan: string): Precision | undefined {
  const words = basename(plan)
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return PRECISIONS.find((precision) => words.includes(precision));
}

/**
 * Chooses a bundle's plan: one in the requested precision or, if none is requested, one in FP32, else the first by name.
 */
export async function findPlan(
  directory: string,
  precision: Precision | undefined,
): Promise<string | undefined> {
  // A folder that may be entered but not listed has none to choose from.
  const plans = (await readdir(directory).catch((): string[] => [])).filter(isPlan).sort();
  for (const name of plans) {
    const plan = join(directory, name);
    const record = await readRecord(recordPathOf(plan));
    const declared = typeof record === 'object' ? record.key.precision : precisionOf(plan);
    if (declared === (precision ?? 'fp32')) return plan;
  }
  return precision === undefined && plans[0] !== undefined ? join(directory, plans[0]) : undefined;
}

type Item = [steps: number, channels: number];

/** The step of a model without a description, in minutes. */
const DEFAULT_STEP_MINUTES = 5;

/**
 * Describes a model by its plan's tensors. Channels are named by number, every category code is valid, and a step is 5
 * minutes.
 *
 * @throws TFTError ERR_TFT_PLAN_MISMATCH if the plan does not have the tensors of the contract; ERR_TFT_OPTION if the
 *   number of `quantiles` is not the plan's.
 */
export function describePlan(
  path: string,
  report: PlanReport,
  quantiles: readonly number[] | undefined,
): ModelDescription {
  const sizes = (name: string, type: TensorType): Item => {
    const tensor = report.tensors.find((candidate) => candidate.name === name);
    const [, steps = -1, channels = -1] = tensor?.shape ?? [];
    if (tensor?.shape.length !== 3 || tensor.type !== type || steps < 1 || channels < 1) {
      const found = tensor ? `${tensor.type} [${tensor.shape.join(', ')}]` : 'missing';
      throw new TFTError(
        'ERR_TFT_PLAN_MISMATCH',
        `${path}: ${name} is ${found}, expected ${type} [batch, steps, channels] with fixed steps and channels`,
        { details: { tensor: name, found } },
      );
    }
    return [steps, channels];
  };
  const inputs = INPUTS.map(({ name, type }) => ({ name, type, item: sizes(name, type) }));
  const [[encoderLength, metrics], [, categories], [horizon, known]] = inputs.map(({ item }) => item) as [
    Item,
    Item,
    Item,
  ];
  const [, width] = sizes(PREDICTIONS.name, PREDICTIONS.type);
  if (quantiles?.length !== width) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `quantiles: ${quantiles?.length ?? 'none'} given, and ${path} predicts ${width}; there is no model.json ` +
        'in its folder to name them, so they are needed as an option',
      { details: { found: quantiles?.length ?? 0, expected: width } },
    );
  }
  if (known !== KNOWN_FEATURES.length) {
    throw new TFTError(
      'ERR_TFT_PLAN_MISMATCH',
      `${path}: decoder_cont has ${known} channels; without a model.json they are taken to be ${KNOWN_FEATURES.join(', ')}`,
    );
  }
  const named = (stem: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${stem}_${index}`);
  return Object.freeze({
    schemaVersion: 1,
    name: basename(path, extname(path)),
    stepMinutes: DEFAULT_STEP_MINUTES,
    encoderLength,
    horizon,
    target: 'metric_0',
    quantiles,
    metrics: named('metric', metrics).map((name) => ({ name, unit: '' })),
    categories: named('category', categories).map((name) => ({ name, codes: {}, role: 'varying' as const })),
    known: KNOWN_FEATURES,
    inputs: inputs.map(({ name, type, item }) => ({ name, type, shape: ['batch', ...item] as const })),
    outputs: [{ name: PREDICTIONS.name, type: PREDICTIONS.type, shape: ['batch', horizon, width] as const }],
    files: {},
    directory: dirname(resolve(path)),
    onnxPath: '',
  });
}
