// Asks TensorRT what a plan's tensors are.
import { resolve } from 'node:path';
import type { TensorRtLoadOptions } from '../options.js';
import type { PlanReport } from './addon.js';
import { fromNative } from './errors.js';
import { loadAddon } from './load-addon.js';

/** @throws TFTError as loading the plan does. */
export async function inspectPlan(plan: string, options: TensorRtLoadOptions = {}): Promise<PlanReport> {
  try {
    return await loadAddon().inspectPlan({ plan: resolve(plan), ...options });
  } catch (error) {
    throw fromNative(error);
  }
}
