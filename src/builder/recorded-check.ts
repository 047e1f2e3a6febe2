// Checks a plan with a record once: the record stores the result.
import type { ModelDescription } from '../contract/model.js';
import type { EngineRecord } from './engine-record.js';
import { deviceOfRequest, type EngineRequest } from './engine-request.js';
import { checkPlan, samplesToCheck } from './plan-check.js';
import { openRuntimeCache } from './runtime-cache.js';

/** A plan and its record. */
export interface RecordedPlan {
  /** Its path. */
  readonly path: string;
  /** Its name in messages. */
  readonly name: string;
  readonly record: EngineRecord;
  /** The path that it will have, if that is another: there its run-time cache is kept. */
  readonly keptAs?: string | undefined;
}

/**
 * Checks a plan that was not checked before, if the model has sample windows and the request allows the check.
 *
 * @returns its record with the result; the same object if there was nothing to do.
 * @throws TFTError ERR_TFT_PLAN_WRONG, and what loading and running a plan throw.
 */
export async function checkRecorded(
  { path, name, record, keptAs = path }: RecordedPlan,
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
      message: `${name} is not checked: the model has no sample windows with PyTorch's forecasts`,
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
        rtx: key.rtx !== undefined,
        // A version-compatible plan contains the lean runtime, which is host code.
        allowHostCode: tensorrt?.allowHostCode ?? key.versionCompatible,
        devices: [deviceOfRequest(request)],
        plugins: (build || undefined)?.plugins,
      },
      profiles: key.profiles,
      precision: key.precision,
      tf32: key.tf32,
      runtimeCache: await openRuntimeCache(keptAs, record, request),
    },
    // Only a bundle's description has samples.
    model as ModelDescription,
    samples,
    log,
  );
  return { ...record, check: result };
}
