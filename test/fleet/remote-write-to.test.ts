// Forecasts are written to receivers of remote write: the same as at /metrics, whatever the receiver does.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Endpoint } from '../../src/fleet/endpoint.js';
import { WriteQueue } from '../../src/fleet/receivers/write-queue.js';
import { type ReceivedSample, Receiver } from '../fixtures/remote-write-receiver.js';
import { ask, until } from '../service/running.js';
import { runningFleet, START, STEP } from './running-fleet.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-remote-write-to-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Running = Awaited<ReturnType<typeof runningFleet>>;

/** Posts a sample of some servers in a step, and lets the step close. */
async function feed({ url, clock, closeStepOf }: Running, step: number, servers: readonly string[]) {
  const time = START + step * STEP;
  clock.set(time);
  const records = servers.map((server_name, index) => ({
    timestamp: new Date(time).toISOString(),
    server_name,
    profile: 'web_api',
    cpu_user_pct: 20 + 5 * index + step,
    net_in_mb_s: 1,
    load_average: 2,
  }));
  const headers = { 'content-type': 'application/json' };
  const { status } = await ask(`${url}/feed/data`, { body: JSON.stringify({ records }), headers });
  await closeStepOf(time);
  return status;
}

/** `name{labels} value` of what was received, without empty labels. */
function shown({ labels: { __name__, ...labels }, value }: ReceivedSample): string {
  const list = Object.entries(labels).map(([name, text]) => `${name}="${text}"`);
  return `${__name__}{${list.sort().join(',')}} ${value}`;
}

/** The series of a metric at /metrics, in the same form. */
async function exposed({ url }: Running, name: string): Promise<string[]> {
  const text = (await ask(`${url}/metrics`)).bytes.toString();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => {
      const [, labels = '', value] = /\{(.*)\} (\S+)$/.exec(line) ?? [];
      const list = labels.match(/\w+="[^"]*"/g) ?? [];
      return `${name}{${list
        .filter((label) => !label.endsWith('=""'))
        .sort()
        .join(',')}} ${Number(value)}`;
    });
}

const statusOf = ({ fleet }: Running) => fleet.receivers[0]?.status;
const isWritten = (running: Running) =>
  until(() => statusOf(running)?.waiting === 0 && !!statusOf(running)?.written);

test('a receiver gets what /metrics shows, with the time at which each forecast was made', async () => {
  await using receiver = await Receiver.start();
  await using running = await runningFleet({ remoteWriteTo: [receiver.url] });
  await feed(running, 0, ['web', 'db']);
  await until(() => receiver.samples.length === 12);
  const first = receiver.samples;
  expect(first.map(shown).sort()).toEqual((await exposed(running, 'tft_forecast')).sort());
  expect(new Set(first.map(({ labels }) => labels.horizon))).toEqual(new Set(['15m', '1h']));
  const place = running.fleet.roster.indexOf('web') as number;
  expect(new Set(first.map(({ time }) => time))).toEqual(new Set([running.fleet.latest.madeAt(place)]));
  for (const { order } of first) expect(order).toEqual([...order].sort());
  expect(receiver.requests[0]).toMatchObject({
    path: '/api/v1/write',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
  });

  await feed(running, 1, ['web', 'db']);
  await until(() => receiver.samples.length === 24);
  const second = receiver.samples.slice(12);
  expect(second.map(shown).sort()).toEqual((await exposed(running, 'tft_forecast')).sort());
  expect(second[0]?.time).toBe((first[0]?.time as number) + STEP);
  const text = (await ask(`${running.url}/metrics`)).bytes.toString();
  expect(text).toContain(
    `tft_fleet_remote_write_samples_total{receiver="${receiver.url}",outcome="written"} 24`,
  );
  expect(text).toContain(`tft_fleet_remote_write_waiting_samples{receiver="${receiver.url}"} 0`);
  expect((await ask(`${running.url}/fleet/status`)).json).toMatchObject({
    receivers: [{ name: receiver.url, kind: 'remote-write', written: 24, refused: 0, lost: 0, waiting: 0 }],
  });
});

test('the format of the names and the largest number of series hold as at /metrics; no label is empty', async () => {
  await using receiver = await Receiver.start();
  await using running = await runningFleet({
    remoteWriteTo: [receiver.url],
    metricSeries: 7,
    metricFormat: {
      __name__: '$METRIC:predicted',
      instance: '$SERVER',
      ml_forecast: 'q$QUANTILE',
      step: '+$HORIZON',
      profile: '$PROFILE',
      job: 'tft',
      nothing: '',
    },
  });
  await feed(running, 0, ['web', 'db']);
  await until(() => receiver.samples.length === 6);
  await feed(running, 1, ['web', 'db']);
  await until(() => receiver.samples.length === 12);
  const second = receiver.samples.slice(6);
  expect(second.map(shown).sort()).toEqual((await exposed(running, 'cpu_user_pct:predicted')).sort());
  expect(second[0]?.labels).toMatchObject({ instance: 'web', job: 'tft', profile: 'web_api' });
  expect(second[0]?.order).not.toContain('nothing');
});

test('what has been written is not written again; series that are no longer at /metrics end', async () => {
  await using receiver = await Receiver.start();
  await using running = await runningFleet({ remoteWriteTo: [receiver.url] });
  await feed(running, 0, ['web', 'db']);
  await until(() => receiver.samples.length === 12);
  // The longest gap that is filled has two steps.
  for (const step of [1, 2, 3]) await feed(running, step, ['db']);
  await until(() => receiver.samples.filter(({ value }) => Number.isNaN(value)).length === 6);
  const of = (server: string) => receiver.samples.filter(({ labels }) => labels.server === server);
  expect(of('db')).toHaveLength(24);
  const web = of('web');
  // Forecast twice more from what was filled, then stale.
  expect(web).toHaveLength(24);
  const ends = web.slice(18);
  expect(ends.map(({ bits }) => bits)).toEqual(Array(6).fill('7ff0000000000002'));
  expect(ends.map(({ time }) => time)).toEqual(Array(6).fill(running.clock.now()));
  expect(await exposed(running, 'tft_forecast')).toHaveLength(6);
  // It comes back as the series that it was.
  for (const step of [4, 5]) await feed(running, step, ['web', 'db']);
  await until(() => of('web').length > 24);
  expect(Number.isNaN(of('web').at(-1)?.value)).toBe(false);
  const keys = receiver.samples.map(({ time, labels }) => `${time} ${JSON.stringify(labels)}`);
  expect(new Set(keys).size).toBe(keys.length);
});

test('a large fleet is written in requests of at most 2,000 samples', async () => {
  await using receiver = await Receiver.start();
  await using running = await runningFleet({ remoteWriteTo: [receiver.url] });
  const servers = Array.from({ length: 700 }, (_, index) => `server-${index}`);
  await feed(running, 0, servers);
  await until(() => receiver.samples.length === 4200);
  expect(receiver.requests.map(({ samples }) => samples.length)).toEqual([1998, 1998, 204]);
});

test('what a receiver refuses is not sent again: it is counted, and logged with a code until it is taken', async () => {
  await using receiver = await Receiver.start();
  receiver.answer = (number) => (number < 2 ? 400 : 204);
  await using running = await runningFleet({ remoteWriteTo: [receiver.url] });
  for (const step of [0, 1, 2]) {
    await feed(running, step, ['web']);
    await until(() => receiver.requests.length === step + 1);
  }
  await isWritten(running);
  expect(receiver.requests.map(({ status }) => status)).toEqual([400, 400, 204]);
  expect(statusOf(running)).toMatchObject({ written: 6, refused: 12, lost: 0, failures: 2, lastError: null });
  const logged = running.log.filter(({ msg }) => String(msg).includes(receiver.url));
  expect(logged).toEqual([
    expect.objectContaining({
      code: 'ERR_TFT_REMOTE_REFUSED',
      msg: `${receiver.url} answered 400: said`,
    }),
    expect.objectContaining({ msg: `${receiver.url} takes forecasts again` }),
  ]);
});

test('a receiver that is away gets everything in order when it is back', async () => {
  await using receiver = await Receiver.start();
  await receiver.leave();
  await using running = await runningFleet({ remoteWriteTo: [receiver.url] });
  for (const step of [0, 1, 2]) expect(await feed(running, step, ['web'])).toBe(200);
  await until(() => (statusOf(running)?.failures ?? 0) > 0);
  expect(running.log).toContainEqual(expect.objectContaining({ code: 'ERR_TFT_REMOTE_UNAVAILABLE' }));
  expect(running.fleet.loop.counts.forecasts).toBe(3);
  await receiver.listen();
  await until(() => receiver.samples.length === 18);
  const times = receiver.samples.map(({ time }) => time);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  await isWritten(running);
  expect(statusOf(running)).toMatchObject({ written: 18, refused: 0, lost: 0, lastError: null });
});

test('a receiver that never answers delays neither samples nor forecasts, and the end waits only so long', async () => {
  await using receiver = await Receiver.start();
  receiver.answer = () => 'never';
  let ended: Running | undefined;
  {
    await using running = await runningFleet({
      remoteWriteTo: [receiver.url],
      remoteWriteToTimeoutSeconds: 0.05,
    });
    for (let step = 0; step < 5; step++) expect(await feed(running, step, ['web'])).toBe(200);
    expect(running.fleet.loop.counts.forecasts).toBe(5);
    await until(() => statusOf(running)?.lastError === `${receiver.url}: no answer in time`);
    ended = running;
  }
  expect(statusOf(ended)).toMatchObject({ written: 0, lost: 30, waiting: 0 });
  expect(ended.log.map(({ msg }) => msg)).toContain(
    `${receiver.url}: 30 samples were not taken before the end`,
  );
});

test('user and password, the token of a file and headers are sent, and not shown', async () => {
  await using receiver = await Receiver.start();
  const token = join(folder, 'token');
  writeFileSync(token, 'first\n');
  const address = receiver.url.replace('//', '//user:p%40ss@');
  await using running = await runningFleet({
    remoteWriteTo: [address],
    remoteWriteToHeaders: { 'X-Scope-OrgID': 'tenant' },
  });
  await feed(running, 0, ['web']);
  await until(() => receiver.requests.length === 1);
  expect(receiver.requests[0]?.headers).toMatchObject({
    authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    'x-scope-orgid': 'tenant',
  });
  expect(JSON.stringify((await ask(`${running.url}/fleet/status`)).json)).not.toContain('p%40ss');
  expect((await ask(`${running.url}/metrics`)).bytes.toString()).not.toContain('p%40ss');

  await using other = await runningFleet({ remoteWriteTo: [receiver.url], remoteWriteToTokenFile: token });
  await feed(other, 0, ['web']);
  await until(() => receiver.requests.length === 2);
  writeFileSync(token, 'second\n');
  await feed(other, 1, ['web']);
  await until(() => receiver.requests.length === 3);
  expect(receiver.requests.slice(1).map(({ headers }) => headers.authorization)).toEqual([
    'Bearer first',
    'Bearer second',
  ]);
});

test('an address without its path is that of Prometheus; one that is none ends the start', async () => {
  await using receiver = await Receiver.start();
  await using running = await runningFleet({ remoteWriteTo: [new URL(receiver.url).origin] });
  expect(statusOf(running)?.name).toBe(receiver.url);
  for (const settings of [
    { remoteWriteTo: ['localhost:9090'] },
    { remoteWriteTo: ['http://user:secret@'] },
    { remoteWriteTo: [receiver.url], remoteWriteToHeaders: { 'a b': 'c' } },
    { prometheus: ['localhost:9090'] },
  ]) {
    await expect(runningFleet(settings)).rejects.toMatchObject({
      code: 'ERR_TFT_OPTION',
      message: expect.not.stringContaining('secret'),
    });
  }
});

function queueTo(receiver: Receiver, more = {}) {
  const problems: string[] = [];
  const endpoint = new Endpoint({ url: receiver.url, setting: 'test', example: '' });
  const queue = new WriteQueue({
    endpoint,
    timeoutMs: 10_000,
    pauseMs: 1,
    onProblem: ({ code }) => problems.push(code),
    onRecovery: () => problems.push('recovered'),
    ...more,
  });
  return { queue, problems };
}

/** A body without series. */
const EMPTY = { body: Uint8Array.of(0), samples: 10 };

test('what fails for a while is sent again, as the specification says: 5xx, 429 and the network, nothing else', async () => {
  await using receiver = await Receiver.start();
  const answers = [500, 503, 0, { status: 429, headers: { 'retry-after': '0' } }, 204, 408, 404];
  receiver.answer = (number) => answers[number] as number;
  const { queue, problems } = queueTo(receiver);
  for (let each = 0; each < 3; each++) queue.put(EMPTY);
  expect(receiver.requests).toHaveLength(0);
  await queue.idle();
  expect(receiver.requests).toHaveLength(7);
  expect(queue.status).toMatchObject({ written: 10, refused: 20, failures: 6 });
  expect(problems).toEqual(['ERR_TFT_REMOTE_UNAVAILABLE', 'recovered', 'ERR_TFT_REMOTE_REFUSED']);
});

test('the queue is bounded: the oldest are lost, and counted', async () => {
  await using receiver = await Receiver.start();
  receiver.answer = () => 'never';
  const { queue, problems } = queueTo(receiver, { maxWaitingBytes: 3 });
  queue.put({ body: Uint8Array.of(0), samples: 1 });
  await until(() => receiver.asked === 1);
  for (const samples of [2, 4, 8, 16, 32]) queue.put({ body: Uint8Array.of(0), samples });
  expect(queue.status).toMatchObject({ waiting: 1 + 8 + 16 + 32, lost: 2 + 4, written: 0 });
  expect(problems).toEqual(['ERR_TFT_REMOTE_UNAVAILABLE']);
  queue.put({ body: new Uint8Array(4), samples: 64 });
  expect(queue.status).toMatchObject({ waiting: 1, lost: 2 + 4 + 8 + 16 + 32 + 64 });
  await queue.close(0);
  queue.put({ body: Uint8Array.of(0), samples: 128 });
  expect(queue.status).toMatchObject({ waiting: 0, lost: 255 });
});
