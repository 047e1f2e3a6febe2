// Makes sure that a plan file is checked: its record has the result of an earlier check, or it is checked now on the sample
// windows in its folder.
import { writeDurably } from '../contract/durable-file.js';
import type { ModelDescription } from '../contract/model.js';
import type { Precision } from '../contract/names.js';
import { type EngineRecord, recordPathOf } from './engine-record.js';
import { deviceOfRequest, type EngineRequest } from './engine-request.js';
import { inspectEngine } from './inspect-engine.js';
import { checkPlan, samplesToCheck } from './plan-check.js';
import { checkRecorded } from './recorded-check.js';

/**
 * Checks a plan file and stores the result in its record. A plan without a record is checked each time.
 *
 * @returns whether its forecasts were compared with PyTorch's.
 * @throws TFTError ERR_TFT_PLAN_WRONG, and what loading and running a plan throw.
 */
export async function checkPlanFile(
  plan: string,
  record: EngineRecord | undefined,
  precision: Precision | 'unknown',
  request: EngineRequest,
): Promise<boolean> {
  const { log, tensorrt = {}, build } = request;
  if (record !== undefined) {
    const noted = await checkRecorded({ path: plan, name: plan, record }, request);
    if (noted !== record) await keep(plan, noted, request);
    return noted.check !== undefined;
  }
  const { model, check = true } = request;
  const samples = check ? await samplesToCheck(model) : undefined;
  if (samples === undefined) {
    const why = check
      ? `its folder has no sample windows with PyTorch's forecasts; 'tft verify ${plan} --bundle BUNDLE' checks it`
      : 'as check: false asks';
    log({ level: 'warn', message: `${plan} is not checked against PyTorch's forecasts: ${why}` });
    return false;
  }
  const { cudaPath, tensorrtPath, allowHostCode } = tensorrt;
  const libraries = { cudaPath, tensorrtPath, allowHostCode };
  const { profiles } = await inspectEngine(plan, libraries);
  await checkPlan(
    {
      name: plan,
      native: {
        ...libraries,
        plan,
        devices: [deviceOfRequest(request)],
        plugins: (build || undefined)?.plugins,
      },
      profiles,
      precision,
    },
    model as ModelDescription,
    samples,
    log,
  );
  return true;
}

async function keep(plan: string, record: EngineRecord, { log }: EngineRequest): Promise<void> {
  try {
    await writeDurably(recordPathOf(plan), `${JSON.stringify(record, null, 2)}\n`);
  } catch (error) {
    log({
      level: 'info',
      message: `the result of the check is not stored, so the next start checks again: ${(error as Error).message}`,
    });
  }
}
