// How much disk the daemon's stored history takes, once it has been kept for longer than it is retained: steps of 10,240 servers
// and their forecasts at the default horizons are written, and the oldest are forgotten after each, as the daemon does.
//
// The peer is the numbers alone: each metric and quantile in 4 bytes, each category in 2.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fleetSchema } from '../../src/fleet/index.js';
import { LmdbStore } from '../../src/fleet/store/lmdb-store.js';
import { loadModel } from '../../src/index.js';
import { less, options, report } from '../harness.js';

const SERVERS = 10_240;
const KEPT_STEPS = 48;
/** Twice around, so that freed pages are used again. */
const STEPS = 3 * KEPT_STEPS;

const model = await loadModel(options.bundle);
const horizons = fleetSchema.parse({}).horizons.map((minutes) => minutes / model.stepMinutes);
const folder = mkdtempSync(join(tmpdir(), 'tft-store-'));
const store = new LmdbStore({ path: folder, model, horizons, flush: false });
const servers = Array.from({ length: SERVERS }, (_, place) => ({
  place,
  server: { name: `server-${String(place).padStart(6, '0')}`, profile: 'web_api', status: 'healthy' },
}));
await store.putServers(servers);
const values = new Float32Array(SERVERS * model.metrics.length).fill(1.5);
const codes = new Int32Array(SERVERS * model.categories.length).fill(1);
const quantiles = new Float32Array(SERVERS * model.quantiles.length).fill(2.5);
let milliseconds = 0;
for (let step = 0; step < STEPS; step++) {
  const begin = performance.now();
  await store.putStep({ step, values, codes });
  for (const horizon of horizons) await store.putForecasts({ step, horizon, values: quantiles });
  await store.forgetBefore(step - KEPT_STEPS + 1);
  milliseconds += performance.now() - begin;
}
const { bytes, steps } = store;
await store.close();
rmSync(folder, { recursive: true });

const perStep = bytes / SERVERS / steps;
const numbers =
  4 * model.metrics.length + 2 * model.categories.length + 4 * model.quantiles.length * horizons.length;
console.log(
  `${SERVERS} servers, ${steps} steps: ${bytes} bytes; ${(milliseconds / STEPS).toFixed(1)} ms a step`,
);
const question = 'how much disk does the stored history take, over the numbers alone?';
report('fleet-store', question, [less('bytes-a-server-and-step', 'bytes', perStep, numbers)], {
  servers: SERVERS,
  steps,
  bytes,
  horizons: horizons.length,
  millisecondsAStep: milliseconds / STEPS,
});
