// Whether the model that serves now reads what the daemon's history was made for.
import { TFTError } from '../contract/errors.js';
import type { FleetModel } from './memory/shape.js';

/** @throws TFTError ERR_TFT_UNSUPPORTED for a model that reads or forecasts something else than the one at the start. */
export function refuseOtherModel(atStart: FleetModel, now: FleetModel): void {
  if (now === atStart || factsOf(now) === factsOf(atStart)) return;
  throw new TFTError(
    'ERR_TFT_UNSUPPORTED',
    'the model that was loaded reads other metrics or windows than the one that the daemon started with; start it again',
  );
}

function factsOf(model: FleetModel): string {
  return JSON.stringify([
    model.stepMinutes,
    model.encoderLength,
    model.horizon,
    model.target,
    model.quantiles,
    model.known,
    model.metrics.map(({ name }) => name),
    model.categories.map(({ name, codes }) => [name, codes]),
  ]);
}
