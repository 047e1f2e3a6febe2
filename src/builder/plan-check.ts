// Checks a plan: runs it on a bundle's sample windows, in each profile at its smallest, optimal and largest batch, and
// compares the forecasts with PyTorch's. TensorRT has built plans that forecast wrongly without any error, so no plan is
// cached or loaded before it has passed.
import { setImmediate } from 'node:timers/promises';
import { TFTError } from '../contract/errors.js';
import { valuesOf } from '../contract/inputs.js';
import type { Log } from '../contract/log.js';
import type { ModelDescription } from '../contract/model.js';
import type { Precision } from '../contract/names.js';
import { type BundleSamples, readSamples } from '../contract/samples.js';
import { emptyValues, modelTensors, type TensorSpec, type Values } from '../contract/tensors.js';
import { judge, type Verdict } from '../contract/verdict.js';
import type { NativeEngine, NativePlanOptions } from '../native/addon.js';
import { fromNative } from '../native/errors.js';
import { loadAddon } from '../native/load-addon.js';
import { receiver } from '../native/receiver.js';
import { nativeTensors } from '../native/tensors.js';
import type { Profile } from './build-options.js';
import type { RuntimeCache } from './runtime-cache.js';

/** The precision with the loosest goals. */
const LOOSEST: Precision = 'int8';

/** The differences of one batch size in one profile. */
export interface BatchCheck {
  /** From 0. */
  readonly profile: number;
  readonly batch: number;
  /** The largest difference from PyTorch's forecasts, as a share of the samples' spread. */
  readonly largest: number;
  /** The share of the forecasts that differ by at most 1 % of the spread. */
  readonly within: number;
}

/** The differences of a batch and whether they are within the limits. */
export interface BatchVerdict {
  readonly check: BatchCheck;
  readonly verdict: Verdict;
}

/** A plan to check. */
export interface CheckedPlan {
  /** Its name in messages. */
  readonly name: string;
  /** Its path, and the options to load it with. */
  readonly native: NativePlanOptions & { readonly devices?: readonly number[] | undefined };
  readonly profiles: readonly Profile[];
  readonly precision: Precision | 'unknown';
  /** Whether FP32 may be computed in TF32. TF32 has FP16's mantissa, so FP16's goals apply. */
  readonly tf32?: boolean | undefined;
  readonly runtimeCache?: RuntimeCache | undefined;
}

/** A model's sample windows; undefined if it has none. */
export async function samplesToCheck(model: object): Promise<BundleSamples | undefined> {
  const described = model as Partial<ModelDescription>;
  if (described.samples === undefined) return undefined;
  try {
    return await readSamples(model as ModelDescription);
  } catch (error) {
    // model.json was copied without the samples.
    if (error instanceof TFTError && error.code === 'ERR_TFT_MODEL_NOT_FOUND') return undefined;
    throw error;
  }
}

/** The first run of a batch size is enqueued directly, later ones launch a CUDA graph: both must be right. */
const RUNS = 3;

/**
 * Runs a plan and compares its forecasts, batch by batch. Each run blocks until its batch has ended.
 *
 * @throws what loading and running a plan throw.
 */
export async function* comparePlan(
  plan: CheckedPlan,
  model: ModelDescription,
  samples: BundleSamples,
  log: Log,
): AsyncGenerator<BatchVerdict> {
  const engine = await load(plan, model, log);
  try {
    for (const { profile, batch } of batchesOf(plan.profiles)) {
      const verdict = await runBatch(engine, model, samples, batch, judgedAs(plan));
      const largest = verdict.maximum / verdict.spread;
      yield { check: { profile, batch, largest, within: verdict.withinOnePercent }, verdict };
    }
  } finally {
    await plan.runtimeCache?.keep(await engine.close());
  }
}

/**
 * Checks a plan.
 *
 * @throws TFTError ERR_TFT_PLAN_WRONG, and what {@link comparePlan} throws.
 */
export async function checkPlan(
  plan: CheckedPlan,
  model: ModelDescription,
  samples: BundleSamples,
  log: Log,
): Promise<BatchCheck[]> {
  const begin = performance.now();
  const checks: BatchCheck[] = [];
  for await (const { check, verdict } of comparePlan(plan, model, samples, log)) {
    if (!verdict.withinLimit) throw wrong(plan, check, verdict);
    checks.push(check);
  }
  const worst = Math.max(...checks.map(({ largest }) => largest));
  const took = ((performance.now() - begin) / 1000).toFixed(2);
  log({
    level: 'info',
    message:
      `checked in ${took} s: the sample windows in batches of ${checks.map(({ batch }) => batch).join(', ')} differ from ` +
      `PyTorch's forecasts by at most ${worst.toExponential(1)} of the spread`,
  });
  return checks;
}

/** The smallest, optimal and largest batch of each profile. A batch of several profiles runs in the first of them. */
function batchesOf(profiles: readonly Profile[]): { profile: number; batch: number }[] {
  const batches = new Map<number, number>();
  for (const [profile, { min, opt, max }] of profiles.entries())
    for (const batch of [min, opt, max]) if (!batches.has(batch)) batches.set(batch, profile);
  return [...batches].map(([batch, profile]) => ({ profile, batch }));
}

/** Loads the plan with one lane, through the same code as for forecasts. */
async function load(plan: CheckedPlan, model: ModelDescription, log: Log): Promise<NativeEngine> {
  try {
    return await loadAddon().load(
      {
        ...plan.native,
        ...nativeTensors(model),
        // The bundle's samples have valid codes, so no bound is needed.
        codes: model.categories.map(() => 2 ** 31 - 1),
        devices: [plan.native.devices?.[0] ?? 0],
        lanes: 1,
        queueLimit: 1,
        runtimeCache: plan.runtimeCache?.content,
      },
      receiver(log),
    );
  } catch (error) {
    throw fromNative(error);
  }
}

async function runBatch(
  engine: NativeEngine,
  model: ModelDescription,
  samples: BundleSamples,
  batch: number,
  precision: string,
): Promise<Verdict> {
  const { inputs, outputs } = modelTensors(model);
  // The forecasts are judged; of further outputs it is only seen that they come.
  const further = outputs.slice(1).map((tensor) => emptyValues(tensor, batch));
  const size = samples.expected.length / samples.count;
  const runs = Math.max(RUNS, Math.ceil(samples.count / batch));
  const found = new Float32Array(runs * batch * size);
  const expected = new Float32Array(found.length);
  const monthTurn = new Set<number>();
  for (let run = 0; run < runs; run++) {
    const windows = Array.from({ length: batch }, (_, row) => (run * batch + row) % samples.count);
    windows.forEach((window, row) => {
      const at = run * batch + row;
      expected.set(samples.expected.subarray(window * size, (window + 1) * size), at * size);
      if (samples.monthTurn.has(window)) monthTurn.add(at);
    });
    const arrays = inputs.map((tensor) => gather(tensor, valuesOf(samples.inputs, tensor), windows));
    const out = found.subarray(run * batch * size, (run + 1) * batch * size);
    try {
      engine.predict(...arrays, out, ...further);
    } catch (error) {
      throw fromNative(error);
    }
    await setImmediate();
  }
  return judge(
    model,
    { line: '', precision },
    { ...samples, count: runs * batch, expected, monthTurn },
    found,
  );
}

/** Copies some windows of an input, one after another. */
function gather({ size }: TensorSpec, values: Values, windows: readonly number[]): Values {
  const part =
    values instanceof Float32Array
      ? new Float32Array(windows.length * size)
      : new Int32Array(windows.length * size);
  windows.forEach((window, row) => {
    part.set(values.subarray(window * size, (window + 1) * size), row * size);
  });
  return part;
}

/** The precision whose goals apply. If it is unknown, the loosest goals do: a wrong plan misses even those. */
function judgedAs({ precision, tf32 }: CheckedPlan): string {
  if (precision === 'unknown') return LOOSEST;
  return tf32 && precision === 'fp32' ? 'fp16' : precision;
}

function wrong(plan: CheckedPlan, check: BatchCheck, verdict: Verdict): TFTError {
  const { min, max } = plan.profiles[check.profile] as Profile;
  const largest = Number.isFinite(check.largest)
    ? `up to ${Number((100 * check.largest).toPrecision(3))} % of the spread`
    : 'they are not finite';
  const asked =
    verdict.shares.length > 0
      ? verdict.shares
          .map(
            ({ share, goal, within }) =>
              `${percent(share)} of them are within ${percent(within)}, and ${percent(goal)} are required`,
          )
          .join('; ')
      : `at most ${percent(verdict.tolerance)} is allowed`;
  return new TFTError(
    'ERR_TFT_PLAN_WRONG',
    `${plan.name} forecasts wrongly in profile ${check.profile} (batches of ${min} to ${max}) at a batch of ` +
      `${check.batch}: the bundle's sample windows differ from PyTorch's forecasts, ${largest}; ${asked}. Build it with ` +
      'other profiles or by another version of TensorRT; check: false (--no-check) loads it anyway',
    { details: { plan: plan.name, ...check } },
  );
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(6))} %`;
}
