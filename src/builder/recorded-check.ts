// A plan with a record is checked once: the record keeps the result.
import type { ModelDescription } from '../contract/model.js';
import type { EngineRecord } from './engine-record.js';
import { deviceOfRequest, type EngineRequest } from './engine-request.js';
import { checkPlan, samplesToCheck } from './plan-check.js';

/** A plan and its record. */
export interface RecordedPlan {
  /** Where TensorRT reads it. */
  readonly path: string;
  /** What to call it in a message. */
  readonly name: string;
  readonly record: EngineRecord;
}

/**
 * Checks a plan that was not checked before, where the model has sample windows and the request does not forbid it.
 *
 * @returns its record, with the result; the same object where there was nothing to do.
 * @throws TFTError ERR_TFT_PLAN_WRONG, and what loading and running a plan throw.
 */
export async function checkRecorded(
  { path, name, record }: RecordedPlan,
  request: EngineRequest,
): Promise<EngineRecord> {
  const { model, tensorrt, build, check = true, log } = request;
  if (record.check !== undefined) return record;
  if (!check) {
    log({
      level: 'warn',
      message: `${name} is not checked against PyTorch's forecasts, as check: false asks`,
    });
    return record;
  }
  const samples = await samplesToCheck(model);
  if (samples === undefined) {
    log({
      level: 'warn',
      message: `${name} is not checked: there are no sample windows with PyTorch's forecasts beside the model`,
    });
    return record;
  }
  const { key } = record;
  const result = await checkPlan(
    {
      name,
      native: {
        plan: path,
        cudaPath: tensorrt?.cudaPath,
        tensorrtPath: tensorrt?.tensorrtPath,
        // The lean runtime that the builder put into its own plan.
        allowHostCode: tensorrt?.allowHostCode ?? key.versionCompatible,
        devices: [deviceOfRequest(request)],
        plugins: (build || undefined)?.plugins,
      },
      profiles: key.profiles,
      precision: key.precision,
      tf32: key.tf32,
    },
    // One with samples is a bundle's.
    model as ModelDescription,
    samples,
    log,
  );
  return { ...record, check: result };
}
