// Starts the service with the daemon in it inside the test, on a clock that the test sets.
import { FleetExtension, type FleetSettings, fleetSchema, ReplayClock } from '../../src/fleet/index.js';
import { makeLog, readConfig, Service, type ServiceConfig } from '../../src/service/index.js';
import { bundles } from '../fixtures/bundles.js';
import { comeToRest, handles, handlesGone } from '../service/running.js';

/** Of the bundle `tiny`. */
export const STEP = 900_000;
/** The middle of a step. */
export const START = Date.UTC(2026, 0, 31, 12, 0);

export async function runningFleet(
  settings: Partial<FleetSettings> = {},
  service: Partial<ServiceConfig> = {},
  start = START,
) {
  const config = readConfig({ defaults: { model: bundles.tiny, port: 0, ...service } });
  const log: Record<string, unknown>[] = [];
  const clock = new ReplayClock(start);
  const extension = new FleetExtension({
    settings: fleetSchema.parse({
      warmUpMinutes: 15,
      graceSeconds: 0,
      maxGapMinutes: 30,
      horizons: [15, 60],
      ...settings,
    }),
    clock,
  });
  const before = handles();
  const running = await Service.start(
    config,
    makeLog('debug', { write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) }),
    [extension],
  );
  const fleet = await extension.begin(running).catch(async (error: unknown) => {
    await running.stop();
    throw error;
  });
  return {
    fleet,
    clock,
    log,
    url: running.address,
    service: running,
    /** Lets time pass until the step of a time has closed, and its forecasts are made. */
    async closeStepOf(time: number) {
      clock.set(fleet.closesAt(Math.round(time / STEP)));
      await fleet.advance();
    },
    async [Symbol.asyncDispose]() {
      await comeToRest(running.address, config);
      await running.stop();
      await handlesGone(before);
    },
  };
}
