// Checks that a bundle or plan gives the same output here as PyTorch did when the bundle was exported.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRecord, recordPathOf } from './builder/engine-record.js';
import { inspectEngine } from './builder/inspect-engine.js';
import { type BatchCheck, comparePlan } from './builder/plan-check.js';
import { precisionOf } from './builder/plan-file.js';
import type { Log } from './contract/log.js';
import { bundleFiles, loadModel, verifyBundleFile } from './contract/model.js';
import type { Precision } from './contract/names.js';
import { readSamples } from './contract/samples.js';
import { judge, type Verdict } from './contract/verdict.js';
import type { TFTEngine } from './engine.js';
import type { NativeInspectOptions } from './native/addon.js';

/**
 * Compares the files of a bundle with their hashes, then runs its sample windows and compares the result with PyTorch's
 * output for them.
 *
 * @param engine the bundle's, loaded.
 * @param label the engine's name in the verdict; its backend and device by default.
 * @throws TFTError ERR_TFT_MODEL_INVALID for a bundle without samples, ERR_TFT_MODEL_HASH, and as `predict`.
 */
export async function verifyBundle(engine: TFTEngine, label?: string): Promise<Verdict> {
  const { model, info } = engine;
  for (const file of bundleFiles(model)) {
    // Nothing here reads the checkpoint, and a bundle may be passed on without it: a pickle runs code.
    const isLeftOut = file === model.files.checkpoint && !existsSync(join(model.directory, file.path));
    if (!isLeftOut) await verifyBundleFile(model, file);
  }
  const samples = await readSamples(model);
  const { data } = await engine.predict(samples.inputs);
  const line = label ?? `${info.backend}, ${info.device}`;
  return judge(model, { line, precision: info.precision }, samples, data);
}

/** Options of {@link verifyPlan}. */
export interface VerifyPlanOptions extends NativeInspectOptions {
  /** The plan's precision; by default the one in its record, else in its file name. */
  precision?: Precision | undefined;
  log?: Log | undefined;
}

/** The comparison of a plan with PyTorch's forecasts. */
export interface PlanVerdict {
  readonly plan: string;
  readonly model: string;
  readonly precision: Precision | 'unknown';
  readonly batches: readonly (BatchCheck & { readonly withinLimit: boolean })[];
  /** Whether all batches are within their limits. */
  readonly withinLimit: boolean;
}

/**
 * Runs a plan on a bundle's sample windows, in each profile at its smallest, optimal and largest batch, and compares the
 * result with PyTorch's output.
 *
 * @throws TFTError ERR_TFT_MODEL_INVALID for a bundle without samples, and as loading a plan.
 */
export async function verifyPlan(
  plan: string,
  bundle: string,
  { precision, log = () => {}, ...native }: VerifyPlanOptions = {},
): Promise<PlanVerdict> {
  const model = await loadModel(bundle);
  const samples = await readSamples(model);
  const record = await readRecord(recordPathOf(plan));
  const key = typeof record === 'object' ? record.key : undefined;
  const computes: Precision | 'unknown' = precision ?? key?.precision ?? precisionOf(plan) ?? 'unknown';
  const { profiles } = await inspectEngine(plan, native);
  const wanted = {
    name: plan,
    native: { ...native, plan },
    profiles,
    precision: computes,
    tf32: key?.tf32,
  };
  const batches: PlanVerdict['batches'][number][] = [];
  for await (const { check, verdict } of comparePlan(wanted, model, samples, log))
    batches.push({ ...check, withinLimit: verdict.withinLimit });
  return {
    plan,
    model: model.name,
    precision: computes,
    batches,
    withinLimit: batches.every(({ withinLimit }) => withinLimit),
  };
}
