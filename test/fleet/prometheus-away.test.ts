// Prometheus away for an hour and back, on a simulated clock: the daemon forecasts on from what it has and says how old that is,
// and afterwards it has the history of a daemon that never lost it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { accuracy, overview } from '../../src/fleet/index.js';
import { type FakePrometheus, fakePrometheus } from '../fixtures/fake-prometheus.js';
import { ask, until } from '../service/running.js';
import { runningFleet, START, STEP } from './running-fleet.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-prometheus-away-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SECOND = 1000;
const SERVERS = ['db', 'web'];
const METRICS = {
  cpu: (server: string, time: number) => (server === 'db' ? 40 : 20) + 10 * Math.sin(time / 7_000_000),
  net: (_server: string, time: number) => 2 + Math.cos(time / 5_000_000),
  load: (_server: string, time: number) => (time / STEP) % 8,
};
const mapping = join(folder, 'mapping.json');
writeFileSync(
  mapping,
  JSON.stringify({
    schemaVersion: 1,
    server: 'instance',
    metrics: {
      cpu_user_pct: { query: 'cpu' },
      net_in_mb_s: { query: 'net' },
      load_average: { query: 'load' },
    },
  }),
);

type Running = Awaited<ReturnType<typeof runningFleet>>;

function daemon(source: FakePrometheus, maxGapMinutes: number): Promise<Running> {
  return runningFleet({
    prometheus: [source.url],
    mapping,
    maxGapMinutes,
    graceSeconds: 10,
    data: mkdtempSync(join(folder, 'data-')),
  });
}

const sourceOf = ({ fleet }: Running) => {
  const status = fleet.sources[0]?.status;
  if (status === undefined) throw new Error('there is no source');
  return status;
};

/** Lets a step end: the source asks for it, then it closes and is forecast from. */
async function passStep(running: Running, source: FakePrometheus, step: number): Promise<void> {
  const { records, errors } = sourceOf(running);
  running.clock.set((step + 0.5) * STEP + 3 * SECOND);
  await until(() => {
    const now = sourceOf(running);
    return source.isAway ? now.errors > errors : now.records >= records + SERVERS.length;
  });
  await running.closeStepOf(step * STEP);
}

const rowsOf = async ({ url }: Running) => overview.parse((await ask(`${url}/fleet/overview`)).json).servers;

test.each([
  // A gap of an hour is filled.
  { maxGapMinutes: 60, states: ['ready', 'ready', 'ready', 'ready'] },
  // An hour is more than is filled.
  { maxGapMinutes: 30, states: ['ready', 'ready', 'stale', 'stale'] },
])('with gaps of up to $maxGapMinutes minutes filled', async ({ maxGapMinutes, states }) => {
  await using source = await fakePrometheus(SERVERS, METRICS);
  await using always = await fakePrometheus(SERVERS, METRICS);
  await using running = await daemon(source, maxGapMinutes);
  await using other = await daemon(always, maxGapMinutes);
  const first = running.fleet.ring.open;
  let step = first;
  const pass = async () => {
    await passStep(running, source, step);
    await passStep(other, always, step);
    step++;
  };
  for (let before = 0; before < 4; before++) await pass();
  expect((await rowsOf(running)).map(({ state, filledSteps }) => [state, filledSteps])).toEqual([
    ['ready', 0],
    ['ready', 0],
  ]);

  source.isAway = true;
  for (const [away, state] of states.entries()) {
    const forecasts = running.fleet.loop.counts.forecasts;
    await pass();
    const isForecast = state === 'ready';
    expect(running.fleet.loop.counts.forecasts).toBe(forecasts + (isForecast ? SERVERS.length : 0));
    const age = ((away + 1.5) * STEP + 10 * SECOND) / SECOND;
    const filled = isForecast ? away + 1 : 0;
    for (const row of await rowsOf(running)) {
      expect(row).toMatchObject({ state, ageSeconds: age, filledSteps: filled });
    }
    const { json } = await ask(`${running.url}/fleet/servers/web`);
    const { history } = json as { history: { values: (number | null)[]; filled: boolean[] } };
    const missed = Array.from({ length: away + 1 }, (_, index) => (index + 1) * 15 <= maxGapMinutes);
    expect(history.filled.slice(-away - 1)).toEqual(missed);
    expect(history.values.slice(-away - 1).map((value) => value !== null)).toEqual(missed);
    expect(history.filled.at(-away - 2)).toBe(false);
  }
  const log = () => running.log.filter(({ msg }) => String(msg).startsWith('Prometheus '));
  expect(log().map(({ msg }) => msg)).toEqual(['Prometheus does not answer; it is asked again']);

  source.isAway = false;
  // At the latest it is asked again after half a minute.
  running.clock.set(running.clock.now() + 30 * SECOND);
  const { ring } = running.fleet;
  await until(() => running.fleet.intake.counters.late >= 4 * SERVERS.length);
  await until(async () =>
    (await rowsOf(running)).every(({ state, filledSteps }) => state === 'ready' && filledSteps === 0),
  );
  expect(
    log()
      .map(({ msg, steps }) => [msg, steps])
      .at(-1),
  ).toEqual(['Prometheus answers again', 4]);

  // The forecasts are those of the other daemon at once, and its history after the next step.
  const forecastsOf = ({ fleet }: Running) =>
    SERVERS.map((name) => Array.from(fleet.latest.get(fleet.roster.indexOf(name) as number)?.values ?? []));
  expect(forecastsOf(running)).toEqual(forecastsOf(other));
  await pass();
  expect(forecastsOf(running)).toEqual(forecastsOf(other));
  expect(running.fleet.roster.places).toBe(other.fleet.roster.places);
  for (let each = ring.oldest; each <= ring.newest; each++) {
    expect(ring.copyStep(each, SERVERS.length)).toEqual(other.fleet.ring.copyStep(each, SERVERS.length));
  }
  const [store, whole] = [running.fleet.keeper.store, other.fleet.keeper.store];
  expect(store.range).toEqual(whole.range);
  for (let each = first - 6; each < step; each++) expect(store.readStep(each)).toEqual(whole.readStep(each));
  expect(store.readStep(step - 1)?.values.every(Number.isFinite)).toBe(true);
  // The forecasts that had been made of the missed hour are scored, as far as there were any.
  const counts = async ({ url }: Running) =>
    accuracy.parse((await ask(`${url}/fleet/accuracy`)).json).horizons.map(({ count }) => count);
  const missed = states.filter((state) => state === 'stale').length * SERVERS.length;
  const [all, some] = [await counts(other), await counts(running)];
  expect(all[0]).toBeGreaterThan(0);
  expect(some[0]).toBe((all[0] as number) - missed);
});

test('a clock that is waited for wakes only what is due', async () => {
  await using source = await fakePrometheus(SERVERS, METRICS);
  await using running = await daemon(source, 60);
  const asked = source.answered;
  running.clock.set(START + STEP / 2 + 2 * SECOND);
  await new Promise((resolve) => setImmediate(resolve));
  expect(source.answered).toBe(asked);
  running.clock.set(START + STEP / 2 + 3 * SECOND);
  await until(() => source.answered > asked);
});
