// Creates the observers of the forecasts: the alerts and the accuracy watch.

import type { ModelDescription } from '../contract/model.js';
import { targetOf } from '../contract/target.js';
import type { ServiceLog } from '../service/index.js';
import { FleetAccuracy } from './accuracy/accuracy.js';
import { FleetAlerts } from './alerts/watch.js';
import type { AccuracyWatch, AlertsWatch } from './observer.js';
import { thresholdOf } from './risk.js';
import type { FleetSettings } from './settings.js';

export interface Watches {
  readonly alerts?: AlertsWatch | undefined;
  readonly accuracy?: AccuracyWatch | undefined;
}

export interface WatchParts {
  readonly model: Pick<
    ModelDescription,
    'target' | 'metrics' | 'stepMinutes' | 'encoderLength' | 'horizon' | 'quantiles'
  >;
  readonly settings: FleetSettings;
  readonly log: ServiceLog;
}

/** @throws TFTError ERR_TFT_FILE or ERR_TFT_RULES_INVALID for the file of rules. */
export async function makeWatches({ model, settings, log }: WatchParts): Promise<Watches> {
  const { target, stepMinutes, encoderLength, horizon, quantiles } = model;
  const { unit, range } = targetOf(model);
  const accuracy = new FleetAccuracy({
    model: { stepMinutes, encoderLength, horizon, quantiles, range, metrics: model.metrics.length },
    maxGapMinutes: settings.maxGapMinutes,
  });
  const alerts = await FleetAlerts.open({
    model: { target, unit, stepMinutes, horizon, quantiles },
    path: settings.rules,
    threshold: thresholdOf(settings, range),
    dryRun: settings.alertsDryRun,
    shard: settings.shard,
    staleness: () => accuracy.staleness(),
    log: (level, message) => log[level]({ part: 'alerts' }, message),
  });
  return { alerts, accuracy };
}
