// Alerts and accuracy in the running daemon: samples in, alerts and scores out.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { accuracy, alerts, overview } from '../../src/fleet/index.js';
import { ask } from '../service/running.js';
import { runningFleet, START, STEP } from './running-fleet.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-watches-'));
afterAll(() => rmSync(folder, { recursive: true }));

function rulesFile(text: string): string {
  const path = join(folder, 'rules.yaml');
  writeFileSync(path, text);
  return path;
}

type Running = Awaited<ReturnType<typeof runningFleet>>;

/** Posts one sample of a server for each step, and lets the steps close. */
async function feed({ url, clock, closeStepOf }: Running, from: number, values: readonly number[]) {
  for (const [index, value] of values.entries()) {
    const time = START + (from + index) * STEP;
    clock.set(time);
    const records = [
      {
        timestamp: new Date(time).toISOString(),
        server_name: 'web-1',
        profile: 'web_api',
        status: 'healthy',
        cpu_user_pct: value,
        net_in_mb_s: 0,
        load_average: 0,
      },
    ];
    await ask(`${url}/feed/data`, {
      body: JSON.stringify({ records }),
      headers: { 'content-type': 'application/json' },
    });
    await closeStepOf(time);
  }
}

const RULES = 'rules:\n  - {name: full, above: 300, for: 2, recover: 280, labels: {team: web}}\n';
const metricsOf = async ({ url }: Running) => (await ask(`${url}/metrics`)).bytes.toString();
const alertsOf = async ({ url }: Running) => alerts.parse((await ask(`${url}/fleet/alerts`)).json);

test('a forecast over the threshold of a rule becomes an alert, everywhere it is asked for, and ends', async () => {
  await using running = await runningFleet({ rules: rulesFile(RULES) });
  // The median of `tiny` is about 6 times the CPU plus 120.
  await feed(running, 0, [40]);
  expect((await alertsOf(running)).active.map(({ state }) => state)).toEqual(['pending']);
  await feed(running, 1, [40]);
  const { active, rules } = await alertsOf(running);
  expect(active[0]).toMatchObject({
    rule: 'full',
    server: 'web-1',
    state: 'firing',
    threshold: 300,
    labels: { team: 'web' },
    crossing: { earliest: expect.any(String) },
  });
  expect(rules).toEqual([expect.objectContaining({ name: 'full', metric: 'cpu_user_pct', threshold: 300 })]);
  const shown = (await ask(`${running.url}/alerts/active`)).json as { count: number };
  expect(shown.count).toBe(1);
  expect(overview.parse((await ask(`${running.url}/fleet/overview`)).json).counts.alerts).toBe(1);
  expect(await metricsOf(running)).toContain(
    'tft_fleet_alerts{rule="full",severity="warning",state="firing"} 1',
  );

  await feed(running, 2, [5, 5, 5, 5, 5, 5, 5, 5]);
  const after = await alertsOf(running);
  expect(after.active).toEqual([]);
  expect(after.recent.map(({ id, state }) => [id, state])).toEqual([['full/web-1', 'resolved']]);
});

test('changed rules are taken, wrong ones are not and the log says why', async () => {
  const path = rulesFile(RULES);
  await using running = await runningFleet({ rules: path });
  await feed(running, 0, [40, 40]);
  rulesFile('rules:\n  - {name: full, above: much}\n');
  await feed(running, 2, [40]);
  expect((await alertsOf(running)).rules).toHaveLength(1);
  expect((await alertsOf(running)).active).toHaveLength(1);
  expect(running.log.map(({ msg }) => msg)).toContainEqual(
    expect.stringMatching(/^the rules before stay in use: .*rules\.0\.above/),
  );
  rulesFile(`${RULES}  - {name: idle, below: 10}\n`);
  await feed(running, 3, [40]);
  const { rules, active } = await alertsOf(running);
  expect(rules.map(({ name }) => name)).toEqual(['full', 'idle']);
  expect(active.map(({ rule, state }) => `${rule} ${state}`)).toEqual(['full firing']);
});

test('a daemon does not start with rules that are wrong', async () => {
  const rules = rulesFile('rules:\n  - {name: full, above: 3, quantile: 0.95}\n');
  await expect(runningFleet({ rules })).rejects.toMatchObject({ code: 'ERR_TFT_RULES_INVALID' });
});

test('each forecast is scored against the measurements', async () => {
  await using running = await runningFleet();
  await feed(running, 0, [40, 41, 42, 43, 44, 45, 46, 47]);
  const found = accuracy.parse((await ask(`${running.url}/fleet/accuracy`)).json);
  expect(found.horizons.map(({ horizonMinutes, count }) => [horizonMinutes, count])).toEqual([
    [15, 7],
    [60, 4],
  ]);
  const [quarter] = found.horizons;
  // The load goes up by one a step, which every naive forecast knows better than `tiny`.
  expect(quarter?.pinball).toBeGreaterThan(100);
  expect(quarter?.naivePinball).toBeLessThan(1);
  expect(found.profiles.map(({ profile }) => profile)).toEqual(['web_api']);
  const text = await metricsOf(running);
  expect(text).toContain('tft_fleet_scored_forecasts{profile="web_api",horizon="+15m"} 7');
  expect(text).toContain('tft_fleet_model_stale 0');
});

test('with fallback best a server gets the naive forecast once the model has been worse for a day', async () => {
  await using running = await runningFleet({ fallback: 'best' });
  const sourceOf = async () =>
    overview.parse((await ask(`${running.url}/fleet/overview`)).json).servers.map(({ source }) => source);
  const values = (count: number) => Array.from({ length: count }, (_, step) => 20 + (step % 5));
  await feed(running, 0, values(60));
  expect(await sourceOf()).toEqual(['model']);
  await feed(running, 60, values(60));
  expect(await sourceOf()).toEqual(['naive']);
  const [row] = overview.parse((await ask(`${running.url}/fleet/overview`)).json).servers;
  expect(row?.peak?.value).toBeLessThan(30);
});
