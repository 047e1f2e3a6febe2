// A history that is replayed gives the forecasts that `tft predict` gives of the same file.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { clipValues, sortSteps } from '../../src/contract/quantiles.js';
import type { FleetSettings } from '../../src/fleet/index.js';
import { loadColumnMap, readHistory, TFTEngine } from '../../src/index.js';
import { runningFleet } from './running-fleet.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const model = join(root, 'models/demo');
const recorded = join(
  [process.env.TFT_DATA ?? resolve(root, '../shared/data'), resolve(root, '../../shared/data')].find(
    existsSync,
  ) ?? '',
  'bitbrains-2013-08-test.csv.gz',
);
const bitbrains = join(root, 'maps/bitbrains.json');

/** The largest difference between the daemon's forecasts and those of the file's windows at the same time. */
async function difference(settings: Partial<FleetSettings>, file: string, map?: string) {
  await using running = await runningFleet(
    { maxGapMinutes: 60, warmUpMinutes: 60, speed: 1, replayAheadHours: 24, horizons: [60], ...settings },
    { model },
  );
  const { fleet } = running;
  await using engine = await TFTEngine.load(model);
  const at = fleet.closed * fleet.stepMs;
  const history = await readHistory(file, engine.model, {
    until: at,
    map: map === undefined ? undefined : await loadColumnMap(map),
  });
  const { servers, packed } = history.windows({ at });
  const { data } = await engine.predict(packed);
  sortSteps(data, engine.model.quantiles.length);
  clipValues(data, { minimum: 0, maximum: 100 });
  const size = engine.model.horizon * engine.model.quantiles.length;
  let largest = 0;
  for (const [index, { server }] of servers.entries()) {
    const found = fleet.latest.get(fleet.roster.indexOf(server) as number);
    expect(found, server).toMatchObject({ step: fleet.closed, warmingUp: false, source: 'model' });
    for (let value = 0; value < size; value++) {
      const gap = Math.abs((found?.values[value] as number) - (data[index * size + value] as number));
      largest = Math.max(largest, gap);
    }
  }
  return { largest, servers: servers.length, simulated: fleet.simulated };
}

test('the sample fleet', async () => {
  const { largest, servers, simulated } = await difference({ replay: 'demo' }, join(model, 'history.csv.gz'));
  expect(servers).toBe(20);
  expect(simulated).toBe(true);
  expect(largest).toBeLessThan(1e-4);
});

test.skipIf(!existsSync(recorded))(
  'recorded machines',
  async () => {
    const { largest, servers } = await difference(
      { replay: recorded, replayMap: bitbrains },
      recorded,
      bitbrains,
    );
    expect(servers).toBeGreaterThan(15);
    expect(largest).toBeLessThan(1e-4);
  },
  300_000,
);
