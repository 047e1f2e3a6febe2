// The daemon over HTTP: samples in, forecasts out.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fleetStatus, overview, serverDetail, shardOf } from '../../src/fleet/index.js';
import { FeedReader } from '../../src/fleet/ingest/feed.js';
import { bundles } from '../fixtures/bundles.js';
import { ask } from '../service/running.js';
import { runningFleet, START, STEP } from './running-fleet.js';

const metrics = ['cpu', 'mem', 'net'];

function record(server: string, time: number, value: number, more: object = {}) {
  return {
    timestamp: new Date(time).toISOString(),
    server_name: server,
    profile: 'web',
    status: 'healthy',
    ...Object.fromEntries(names.map((name, index) => [name, value + index])),
    ...more,
  };
}
let names = metrics;

async function post(url: string, records: object[]) {
  const answer = await ask(`${url}/feed/data`, {
    body: JSON.stringify({ records }),
    headers: { 'content-type': 'application/json' },
  });
  return { status: answer.status, json: answer.json as Record<string, unknown> };
}

test('records of a full window become a forecast, with what is known of it', async () => {
  await using running = await runningFleet();
  const { fleet, url } = running;
  names = fleet.model.metrics.map(({ name }) => name);
  for (let step = 0; step < fleet.model.encoderLength; step++) {
    const time = START + step * STEP;
    running.clock.set(time);
    const { json } = await post(url, [record('web-1', time, 40), record('web-2', time, 50)]);
    expect(json).toEqual({
      accepted: 2,
      refused: 0,
      repeated: 0,
      elsewhere: 0,
      durable: false,
      problems: [],
    });
    await running.closeStepOf(time);
  }
  const found = overview.parse((await ask(`${url}/fleet/overview`)).json);
  expect(found.counts).toMatchObject({ servers: 2, warmingUp: 0, stale: 0 });
  expect(found.servers.map(({ server, state }) => [server, state]).sort()).toEqual([
    ['web-1', 'ready'],
    ['web-2', 'ready'],
  ]);
  const detail = serverDetail.parse((await ask(`${url}/fleet/servers/web-1`)).json);
  expect(detail.forecast?.values).toHaveLength(fleet.model.horizon);
  expect(detail.history.filled.every((filled) => !filled)).toBe(true);
  const status = fleetStatus.parse((await ask(`${url}/fleet/status`)).json);
  expect(status.ingestion.accepted).toBe(2 * fleet.model.encoderLength);
  expect((await ask(`${url}/health`)).status).toBe(200);
  expect((await ask(`${url}/fleet/servers/nobody`)).status).toBe(404);
  const current = (await ask(`${url}/predictions/current`)).json as { predictions: Record<string, object> };
  expect(Object.keys(current.predictions)).toEqual(['web-1', 'web-2']);
});

test('a bad record is named and does not keep the good ones out', async () => {
  await using running = await runningFleet();
  names = running.fleet.model.metrics.map(({ name }) => name);
  const good = record('web-1', START, 40);
  const { status, json } = await post(running.url, [
    good,
    { ...good, timestamp: 'yesterday' },
    { ...good, [names[0] as string]: 'much' },
    good,
  ]);
  expect(status).toBe(200);
  expect(json).toMatchObject({ accepted: 1, refused: 2, repeated: 1 });
  expect((json.problems as { record: number }[]).map(({ record }) => record)).toEqual([1, 2]);
});

test('a body of very many records is read in turns with other work, up to a limit', async () => {
  await using running = await runningFleet();
  const { fleet, url } = running;
  const records = (count: number) => Buffer.from(`{"records":[${'{},'.repeat(count - 1)}{}]}`);
  const ended = { isSo: false };
  const reading = new FeedReader(fleet.model).take(records(40_000), fleet.intake).finally(() => {
    ended.isSo = true;
  });
  let turns = 0;
  for (; !ended.isSo; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect((await reading).refused).toBe(40_000);
  expect(turns).toBeGreaterThan(15);
  const answer = await ask(`${url}/feed/data`, { body: records(1_000_001) });
  expect(answer.json).toMatchObject({
    code: 'ERR_TFT_HTTP_TOO_LARGE',
    error: expect.stringContaining('more than 50,000 records'),
  });
});

test('of a body that is cut off the records before are taken, and may be sent again', async () => {
  await using running = await runningFleet();
  names = running.fleet.model.metrics.map(({ name }) => name);
  const whole = JSON.stringify({ records: [record('web-1', START, 40), record('web-2', START, 50)] });
  const cut = await ask(`${running.url}/feed/data`, { body: whole.slice(0, -20) });
  expect(cut).toMatchObject({ status: 400, json: { code: 'ERR_TFT_HTTP_BODY' } });
  expect((await ask(`${running.url}/feed/data`, { body: whole })).json).toMatchObject({
    accepted: 1,
    repeated: 1,
  });
});

test.each(['null', '[', '{"rows":[]}', '{"records":5}', 'hello'])(
  '%s is no body of records',
  async (body) => {
    await using running = await runningFleet();
    expect(await ask(`${running.url}/feed/data`, { body })).toMatchObject({
      status: 400,
      json: { code: 'ERR_TFT_HTTP_BODY' },
    });
  },
);

test('a watching client gets each step', async () => {
  await using running = await runningFleet();
  names = running.fleet.model.metrics.map(({ name }) => name);
  const answer = await fetch(`${running.url}/fleet/events`);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  await post(running.url, [record('web-1', START, 40)]);
  await running.closeStepOf(START);
  let text = '';
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    if (/event: step\ndata: .*\n\n/.test(text)) break;
  }
  expect(text).toContain('"server":"web-1"');
});

test("the API's document has every path of the daemon, and nothing in it refers to what is not there", async () => {
  await using running = await runningFleet();
  const text = (await ask(`${running.url}/openapi.json`)).bytes.toString();
  const { paths, components } = JSON.parse(text) as {
    paths: Record<string, unknown>;
    components: { schemas: Record<string, unknown> };
  };
  for (const path of [
    '/feed/data',
    '/fleet/overview',
    '/fleet/servers/{server}',
    '/predictions/current',
    '/api/v1/write',
  ]) {
    expect(Object.keys(paths)).toContain(path);
  }
  const referred = new Set([...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name));
  expect([...referred].filter((name) => !((name as string) in components.schemas))).toEqual([]);
});

test('a program hears of each run, until it has heard enough', async () => {
  await using running = await runningFleet();
  names = running.fleet.model.metrics.map(({ name }) => name);
  const heard: number[] = [];
  const ended = new AbortController();
  const listening = (async () => {
    for await (const { servers } of running.fleet.runs({ signal: ended.signal })) heard.push(servers);
  })();
  await post(running.url, [record('web-1', START, 40)]);
  await running.closeStepOf(START);
  await running.closeStepOf(START + STEP);
  ended.abort();
  await listening;
  expect(heard).toEqual([1, 1]);
});

test('keys of the service are keys of the daemon', async () => {
  const key = 'a-key-of-the-fleet-1';
  await using running = await runningFleet({}, { apiKeys: [key] });
  for (const path of ['/fleet/overview', '/fleet/events', '/predictions/current']) {
    expect((await ask(running.url + path)).status).toBe(401);
  }
  expect((await ask(`${running.url}/fleet/overview`, { headers: { 'x-api-key': key } })).status).toBe(200);
});

test('forecasts, states and samples are at /metrics, in a bounded number of series', async () => {
  await using running = await runningFleet({ metricSeries: 6 });
  names = running.fleet.model.metrics.map(({ name }) => name);
  await post(running.url, [record('web-1', START, 40), record('web-2', START, 50)]);
  await running.closeStepOf(START);
  const scrape = async () => (await ask(`${running.url}/metrics`)).bytes.toString();
  const text = await scrape();
  expect(text.match(/^tft_forecast\{/gm)).toHaveLength(6);
  expect(text).toContain('tft_fleet_forecast_series_left_out 6');
  expect(text).toContain('tft_fleet_servers{state="warming-up"} 2');
  expect(text).toContain('tft_fleet_samples_total{outcome="accepted"} 2');
});

test('a shard takes its own servers alone, by a hash that other programs can compute', async () => {
  await using running = await runningFleet({ shard: '2/3' });
  names = running.fleet.model.metrics.map(({ name }) => name);
  // int(sha256(name).hexdigest()[:12], 16) % 3 + 1 in Python.
  const servers = ['web-1', 'web-2', 'web-3', 'db-1'];
  const { json } = await post(
    running.url,
    servers.map((server) => record(server, START, 1)),
  );
  const mine = servers.filter((server) => shardOf(server, 3) === 2);
  expect([...running.fleet.roster].map(([, { name }]) => name)).toEqual(mine);
  expect(json).toMatchObject({ accepted: mine.length, elsewhere: servers.length - mine.length });
  expect(servers.map((server) => shardOf(server, 3))).toEqual([2, 1, 1, 3]);
});

test('what the model reads of the steps ahead, and no sample tells, is warned of', async () => {
  await using running = await runningFleet();
  // The graph of tiny reads the categories of the steps ahead.
  expect(running.log).toContainEqual(
    expect.objectContaining({ level: 'warn', msg: expect.stringContaining('status keep their last value') }),
  );
});

test('a model with steps of weeks is refused at the start: the steps of a day count from 1970, those of weeks do not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-weeks-'));
  try {
    cpSync(bundles.tiny, folder, { recursive: true });
    const description = JSON.parse(readFileSync(join(bundles.tiny, 'model.json'), 'utf8')) as object;
    const start = async (stepMinutes: number) => {
      writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...description, stepMinutes }));
      await using running = await runningFleet({ horizons: [stepMinutes] }, { model: folder });
      return running.fleet.stepMs;
    };
    await expect(start(7 * 1440)).rejects.toMatchObject({
      code: 'ERR_TFT_UNSUPPORTED',
      message: expect.stringContaining('steps of weeks'),
    });
    expect(await start(1440)).toBe(86_400_000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
