// Inspects plans by TensorRT.
import { resolve } from 'node:path';
import type { NativeEngineReport, NativeInspectOptions, PlanReport } from './addon.js';
import { fromNative } from './errors.js';
import { loadAddon } from './load-addon.js';

/** @throws TFTError as loading the plan does. */
export async function inspectPlan(plan: string, options: NativeInspectOptions = {}): Promise<PlanReport> {
  try {
    return await loadAddon().inspectPlan({ plan: resolve(plan), ...options });
  } catch (error) {
    throw fromNative(error);
  }
}

/** TensorRT's full report on a plan. @throws TFTError as loading the plan does. */
export async function inspectEngine(
  plan: string,
  options: NativeInspectOptions = {},
): Promise<NativeEngineReport> {
  try {
    return await loadAddon().inspectEngine({ plan: resolve(plan), ...options });
  } catch (error) {
    throw fromNative(error);
  }
}
