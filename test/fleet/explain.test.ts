// What a server's forecast rests on, over HTTP: the same as of the engine on the same window.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { explained, serverDetail } from '../../src/fleet/index.js';
import { readHistory, TFTEngine } from '../../src/index.js';
import { ask } from '../service/running.js';
import { runningFleet, START } from './running-fleet.js';

const model = fileURLToPath(new URL('../../models/demo', import.meta.url));
const replay = { replay: 'demo', speed: 1, replayAheadHours: 24, maxGapMinutes: 60, warmUpMinutes: 60 };
const server = 'sim-web-api-009';

test('a server is explained by named variables and by the hours of its past', async () => {
  await using running = await runningFleet(replay, { model, explain: true });
  const { fleet, url } = running;
  const found = explained.parse((await ask(`${url}/explain/${server}`)).json);
  const { explanation, reason } = found;
  expect(reason).toBeNull();
  if (explanation === null) return expect.unreachable();

  const at = fleet.closed * fleet.stepMs;
  await using engine = await TFTEngine.load(model, { explain: true, threads: 1 });
  const history = await readHistory(join(model, 'history.csv.gz'), engine.model, {
    until: at,
    servers: [server],
  });
  const expected = (await engine.forecast(history, { at })).series(server).explanation;
  expect(Date.parse(explanation.at)).toBe(at);
  for (const [ours, theirs] of [
    [explanation.variables, expected?.encoder],
    [explanation.ahead, expected?.decoder],
    [explanation.statics, expected?.static],
  ] as const) {
    expect(ours.map(({ name, label }) => [name, label])).toEqual(
      theirs?.map(({ name, label }) => [name, label]),
    );
    for (const [index, { weight }] of ours.entries()) {
      expect(Math.abs(weight - (theirs?.[index]?.weight ?? Number.NaN))).toBeLessThan(1e-4);
    }
  }
  expect(explanation.ahead[0]?.label).toBe('cpu_user_pct 24 h before');
  expect(explanation.parts.map(({ fromMinutes, toMinutes }) => [fromMinutes, toMinutes])).toEqual([
    [0, 60],
    [60, 240],
    [240, 480],
  ]);
  // 24 hours of 12 steps each; the last one ends with the newest step.
  expect(explanation.attention).toHaveLength(24);
  expect(Date.parse(explanation.attention[23]?.at ?? '')).toBe(at - 11 * fleet.stepMs);
  const hours = Array.from({ length: 24 }, (_, hour) =>
    Array.from(expected?.past.subarray(hour * 12, (hour + 1) * 12) ?? []).reduce(
      (sum, weight) => sum + weight,
      0,
    ),
  );
  for (const [hour, { weight }] of explanation.attention.entries()) {
    expect(Math.abs(weight - (hours[hour] as number))).toBeLessThan(1e-4);
  }

  const detail = serverDetail.parse((await ask(`${url}/fleet/servers/${server}`)).json);
  expect(detail.explanation).toEqual(explanation);
  expect((await ask(`${url}/explain/nobody`)).status).toBe(404);
});

test('a forecast is explained once, however many look at it', async () => {
  await using running = await runningFleet(replay, { model, explain: true });
  const forecasts = async () => {
    const { json } = await ask(`${running.url}/v2/models/demo/stats`);
    return (json as { model_stats: { inference_count: number }[] }).model_stats[0]?.inference_count ?? 0;
  };
  const before = await forecasts();
  const watchers = Array.from({ length: 5 }, () => ask(`${running.url}/explain/${server}`));
  expect((await Promise.all(watchers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(await forecasts()).toBe(before + 1);
});

test('without an explanation the reason is said', async () => {
  await using without = await runningFleet(replay, { model });
  const reasonOf = async (url: string, name: string) =>
    explained.parse((await ask(`${url}/explain/${name}`)).json).reason;
  expect(await reasonOf(without.url, server)).toBe('the daemon was started without --explain');
  const detail = serverDetail.parse((await ask(`${without.url}/fleet/servers/${server}`)).json);
  expect(detail.explanation).toBeNull();
  expect(detail.forecast).not.toBeNull();

  await using tiny = await runningFleet();
  const metrics = Object.fromEntries(tiny.fleet.model.metrics.map(({ name }) => [name, 40]));
  const body = {
    records: [
      {
        timestamp: new Date(START).toISOString(),
        server_name: 'web-1',
        profile: 'web',
        status: 'healthy',
        ...metrics,
      },
    ],
  };
  await ask(`${tiny.url}/feed/data`, { body: JSON.stringify(body) });
  expect(await reasonOf(tiny.url, 'web-1')).toBe('the server has no forecast');
  await tiny.closeStepOf(START);
  expect(await reasonOf(tiny.url, 'web-1')).toContain("'tft-export explain' adds it");
});
