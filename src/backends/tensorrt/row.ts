// TensorRT's row in the table of backends: runs plans on NVIDIA GPUs, from a file, from the cache, or built now.
import type { Backend } from '../../batching/backend.js';
import { findPlan } from '../../builder/plan-file.js';
import { TFTError } from '../../contract/errors.js';
import type { LoadRequest } from '../load-request.js';
import type { AtHand, BackendRow } from '../row.js';
import { loadBuilt, loadCached, loadPlanFile, loadPlanOrRebuild } from './plan-choice.js';

export const tensorRtRow: BackendRow = {
  canRun: ({ located }) =>
    located.kind === 'torchscript'
      ? `${located.path} is a TorchScript module; TensorRT cannot run it`
      : undefined,

  async load(request) {
    const plan = await planAtHand(request);
    if (plan !== undefined) return loadPlanOrRebuild(plan, request);
    if (request.build !== false) return loadBuilt(request);
    const cached = await loadCached(request);
    if (cached === undefined) throw noPlan(request);
    return cached;
  },

  async atHand(request) {
    const plan = await planAtHand(request);
    if (plan !== undefined && request.located.kind === 'plan') return [planFile(plan, request)];
    const cached: AtHand = {
      failure: 'TensorRT cannot run the cached engine',
      why: () => 'a TensorRT engine is in the cache',
      load: (): Promise<Backend | undefined> => loadCached(request),
    };
    return plan === undefined ? [cached] : [planFile(plan, request), cached];
  },
};

/** The plan that was asked for, else one in the bundle's folder. */
async function planAtHand({ located, precision }: LoadRequest): Promise<string | undefined> {
  if (located.kind === 'plan') return located.path;
  return located.kind === 'bundle' ? findPlan(located.directory, precision) : undefined;
}

function planFile(plan: string, request: LoadRequest): AtHand {
  const isGiven = request.located.kind === 'plan';
  return {
    failure: `TensorRT cannot run ${plan}`,
    why: () => (isGiven ? 'a plan runs on TensorRT only' : 'a TensorRT plan is at hand'),
    load: () => loadPlanFile(plan, request),
  };
}

function noPlan({ located, precision }: LoadRequest): TFTError {
  return new TFTError(
    'ERR_TFT_BACKEND_UNAVAILABLE',
    `TensorRT needs a plan, and there is none ${precision ? `in ${precision} ` : ''}for ${located.path}, nor in the ` +
      `cache; 'tft build ${located.path}' makes one`,
  );
}
