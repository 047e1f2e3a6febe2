// The receivers of forecasts as Prometheus metrics.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ReceiverStatus } from '../api.js';
import type { Fleet } from '../fleet.js';

const OUTCOMES = ['written', 'refused', 'lost'] as const;

/** Registers the metrics. They read the daemon when they are scraped, once there is one. */
export function registerReceivers(registry: Registry, fleetOf: () => Fleet | undefined): void {
  const registers = [registry];
  const statuses = (): ReceiverStatus[] => (fleetOf()?.receivers ?? []).map(({ status }) => status);
  const samples = new Counter({
    name: 'tft_fleet_remote_write_samples_total',
    help: 'Samples of forecasts for receivers of remote write, by outcome.',
    labelNames: ['receiver', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const status of statuses()) {
        for (const outcome of OUTCOMES) samples.inc({ receiver: status.name, outcome }, status[outcome]);
      }
    },
  });
  const failures = new Counter({
    name: 'tft_fleet_remote_write_failures_total',
    help: 'Requests to receivers of remote write that failed; those that may succeed later are sent again.',
    labelNames: ['receiver'],
    registers,
    collect() {
      this.reset();
      for (const status of statuses()) failures.inc({ receiver: status.name }, status.failures);
    },
  });
  new Gauge({
    name: 'tft_fleet_remote_write_waiting_samples',
    help: 'Samples of forecasts that wait to be written.',
    labelNames: ['receiver'],
    registers,
    collect() {
      this.reset();
      for (const { name, waiting } of statuses()) this.set({ receiver: name }, waiting);
    },
  });
}
