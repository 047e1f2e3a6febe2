// Who watches the forecasts beside the page: the alerts and the accuracy watch.

import type { ServiceLog } from '../service/index.js';
import type { FleetModel } from './memory/shape.js';
import type { AccuracyWatch, AlertsWatch } from './observer.js';
import type { FleetSettings } from './settings.js';

export interface Watches {
  readonly alerts?: AlertsWatch | undefined;
  readonly accuracy?: AccuracyWatch | undefined;
}

export interface WatchParts {
  readonly model: FleetModel;
  readonly settings: FleetSettings;
  readonly log: ServiceLog;
}

/** @throws TFTError where a file of rules cannot be read. */
export async function makeWatches(_parts: WatchParts): Promise<Watches> {
  return {};
}
