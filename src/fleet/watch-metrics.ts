// The accuracy of the forecasts, and the alerts, as Prometheus metrics.
import { Gauge, type Registry } from 'prom-client';
import type { AccuracyHorizon } from './api.js';
import type { AccuracyWatch, AlertsWatch } from './observer.js';

interface Watched {
  readonly alerts: AlertsWatch | undefined;
  readonly accuracy: AccuracyWatch | undefined;
}

/** Registers the metrics. They are read when they are scraped, once there is a daemon. */
export function registerWatchMetrics(registry: Registry, watched: () => Watched | undefined): void {
  const registers = [registry];
  const labelNames = ['profile', 'horizon'];
  const byHorizon = (
    name: string,
    help: string,
    value: (accuracy: AccuracyHorizon) => number | null,
    naive = false,
  ) =>
    new Gauge({
      name,
      help,
      labelNames: naive ? [...labelNames, 'naive'] : labelNames,
      registers,
      collect() {
        this.reset();
        const profiles = watched()?.accuracy?.state().profiles ?? [];
        for (const { profile, horizons } of profiles) {
          for (const accuracy of horizons) {
            const found = value(accuracy);
            if (found === null) continue;
            const labels = { profile, horizon: horizonLabel(accuracy.horizonMinutes) };
            this.set(naive ? { ...labels, naive: accuracy.naive ?? '' } : labels, found);
          }
        }
      },
    });
  byHorizon(
    'tft_fleet_scored_forecasts',
    'Forecasts of the last 14 days that were compared with the measurements.',
    ({ count }) => (count === 0 ? null : count),
  );
  byHorizon(
    'tft_fleet_pinball_loss',
    "Mean pinball loss of the model, in the target's unit.",
    ({ pinball }) => pinball,
  );
  byHorizon(
    'tft_fleet_naive_pinball_loss',
    "Mean pinball loss of the best naive forecast, in the target's unit.",
    ({ naivePinball }) => naivePinball,
    true,
  );
  byHorizon(
    'tft_fleet_coverage80',
    'Share of measurements between the quantiles 0.1 and 0.9.',
    ({ coverage80 }) => coverage80,
  );
  new Gauge({
    name: 'tft_fleet_model_stale',
    help: 'Whether the model has become worse than the best naive forecast.',
    registers,
    collect() {
      const state = watched()?.accuracy?.state();
      if (state !== undefined) this.set(state.stale ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tft_fleet_alerts',
    help: 'Alerts that are pending or fire, by rule.',
    labelNames: ['rule', 'severity', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { rule, severity, state } of watched()?.alerts?.state().active ?? []) {
        this.inc({ rule, severity, state });
      }
    },
  });
}

/** '+5m', '+4h' */
function horizonLabel(minutes: number): string {
  return minutes % 60 === 0 ? `+${minutes / 60}h` : `+${minutes}m`;
}
