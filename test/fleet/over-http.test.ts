// The daemon over HTTP: samples in, forecasts out.
import { expect, test } from 'vitest';
import { fleetStatus, overview, serverDetail } from '../../src/fleet/index.js';
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

test('who watches is told of each step', async () => {
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
