// What a daemon stored is replayed as a file with the same measurements is.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LmdbStore } from '../../src/fleet/store/lmdb-store.js';
import { loadModel } from '../../src/index.js';
import { HEADER, line, STEP, T0, TINY, tft } from './tft.js';

const STEPS = 110;
const SERVERS = ['a', 'b', 'c'];
let folder: string;
let store: LmdbStore;

/** A server's CPU at a step; undefined where it was not measured. */
function cpuOf(server: string, step: number): number | undefined {
  if (server === 'b' && (step === 30 || step < 8)) return undefined;
  return 20 + ((step * (server.charCodeAt(0) - 90)) % 60);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tft-stored-'));
  let text = HEADER;
  for (let step = 0; step < STEPS; step++) {
    for (const server of SERVERS) {
      const cpu = cpuOf(server, step);
      if (cpu !== undefined) text += line(server, step, cpu);
    }
  }
  writeFileSync(join(folder, 'history.csv'), text);
  writeFileSync(
    join(folder, 'rules.yaml'),
    'rules:\n  - {name: full, above: 300, within: 1h, for: 1, recover: 280}\n',
  );
  mkdirSync(join(folder, 'empty'));

  const model = await loadModel(TINY);
  store = new LmdbStore({ path: join(folder, 'data'), model, horizons: [1], flush: false });
  await store.putServers(
    SERVERS.map((name, place) => ({ place, server: { name, profile: 'web_api', status: 'healthy' } })),
  );
  const columns = HEADER.trim().split(',');
  const codes = model.categories.map(
    ({ name, codes: known }) => known[name === 'profile' ? 'web_api' : 'healthy'] ?? 0,
  );
  for (let step = 0; step < STEPS; step++) {
    const values = new Float32Array(SERVERS.length * model.metrics.length).fill(Number.NaN);
    for (const [place, server] of SERVERS.entries()) {
      const cpu = cpuOf(server, step);
      if (cpu === undefined) continue;
      const cells = line(server, step, cpu).trim().split(',');
      for (const [channel, { name }] of model.metrics.entries())
        values[place * model.metrics.length + channel] = Number(cells[columns.indexOf(name)]);
    }
    await store.putStep({
      step: Math.round(T0 / STEP) + step,
      values,
      codes: Int32Array.from(SERVERS.flatMap(() => codes)),
    });
  }
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const runs = async (...args: string[]) => {
  const { status, stdout, stderr } = await tft([...args, '-m', TINY, '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
};

it('by alerts preview and backtest, while the store is open for writing', async () => {
  const at = (name: string) => join(folder, name);
  const preview = (history: string) =>
    runs('alerts', 'preview', at('rules.yaml'), '--history', history, '--servers', 'a,b');
  const previewed = await preview(at('data'));
  expect(previewed.forecasts).toBeGreaterThan(100);
  expect(previewed).toEqual(await preview(at('history.csv')));

  const judged = await runs('backtest', at('data'), '--every', '30');
  expect(judged.servers).toHaveLength(3);
  expect(judged).toEqual(await runs('backtest', at('history.csv'), '--every', '30'));
});

it('a folder that no daemon used, and a column map, are refused', async () => {
  const none = await tft(['backtest', join(folder, 'empty'), '-m', TINY]);
  expect(none.status).toBe(1);
  expect(none.stderr).toContain('is not the folder of a daemon: it has no history.mdb (ERR_TFT_FILE)');
  const map = await tft(['backtest', join(folder, 'data'), '-m', TINY, '--map', 'bitbrains']);
  expect(map.stderr).toContain("whose metrics are the model's (ERR_TFT_OPTION)");
});
