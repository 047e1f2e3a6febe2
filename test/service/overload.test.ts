// Too many requests, late requests, and clients that disconnect: these are refused or cancelled, and the others are served.

import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { constantInputs, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { HOLDABLE, holdRuns } from '../fixtures/held-runs.js';
import {
  ask,
  askRaw,
  binaryPredictions,
  inferBinary,
  inferJson,
  type Running,
  running,
  until,
} from './running.js';

const INFER = '/v2/models/tiny/infer';
/** One series at a time. */
const ONE_BY_ONE = { ...HOLDABLE, maxBatch: 1, threads: 1 };

async function metric(url: string, line: RegExp): Promise<number> {
  return Number(line.exec((await ask(`${url}/metrics`)).bytes.toString())?.[1] ?? Number.NaN);
}

const waiting = ({ url }: Running) => metric(url, /^tft_queue_servers (\d+)/m);

test('beyond the queue requests are refused with a time to come again, and those taken are right', async () => {
  await using slow = await running({ ...ONE_BY_ONE, queueLimit: 3 });
  using held = holdRuns();
  const asked = Array.from({ length: 20 }, (_, seed) => variedInputs(1, seed));
  let answered = 0;
  const all = asked.map(async (inputs) => {
    const { body, headers } = inferBinary(inputs, { parameters: { binary_data_output: true } });
    const answer = await ask(slow.url + INFER, { body, headers });
    answered++;
    return answer;
  });
  // One runs, three wait, the others are refused.
  await until(() => answered === 16);
  held.release();
  const answers = await Promise.all(all);
  const taken = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 503);
  expect([taken.length, refused.length]).toEqual([4, 16]);
  for (const { headers, json } of refused) {
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(['ERR_TFT_QUEUE_FULL', 'ERR_TFT_HTTP_OVERLOADED']).toContain(json?.code);
  }
  answers.forEach((answer, index) => {
    const inputs = asked[index];
    if (answer.status === 200 && inputs) expect(binaryPredictions(answer)).toEqual(tinyAnswer(inputs));
  });
  expect(await metric(slow.url, /^nv_inference_request_success\{.*\} (\d+)/m)).toBeGreaterThanOrEqual(
    taken.length,
  );
  expect((await ask(slow.url + INFER, { body: inferJson(constantInputs(1)) })).status).toBe(200);
});

test("a deadline by Triton's parameter timeout is a 504", async () => {
  await using slow = await running({ ...ONE_BY_ONE, maxWaitMs: 600_000 });
  using held = holdRuns();
  const first = ask(slow.url + INFER, { body: inferJson(constantInputs(1)) });
  await until(async () => (await metric(slow.url, /^tft_running_batches (\d+)/m)) === 1);
  const late = await ask(slow.url + INFER, {
    body: inferJson(constantInputs(1), { parameters: { timeout: 1000 } }),
  });
  expect([late.status, late.json?.code]).toEqual([504, 'ERR_TFT_DEADLINE']);
  held.release();
  expect((await first).status).toBe(200);
});

test('a deadline by header that the queue leaves no hope for is refused at once', async () => {
  await using slow = await running(ONE_BY_ONE);
  // What one server takes is known from what has run.
  await ask(slow.url + INFER, { body: inferJson(constantInputs(1)) });
  using held = holdRuns();
  const first = ask(slow.url + INFER, { body: inferJson(constantInputs(200)) });
  await until(async () => (await waiting(slow)) === 199);
  // A look at the queue is believed for some milliseconds; more of them do no harm.
  await sleep(20);
  const headers = { 'x-request-timeout-ms': '1' };
  const late = await ask(slow.url + INFER, { headers, body: inferJson(constantInputs(1)) });
  expect([late.status, late.json?.code]).toEqual([503, 'ERR_TFT_HTTP_OVERLOADED']);
  held.release();
  expect((await first).status).toBe(200);
});

test('an overloaded service says what is wrong with a request before it says that it has no time', async () => {
  await using slow = await running({ ...ONE_BY_ONE, queueLimit: 1 });
  using held = holdRuns();
  const first = ask(slow.url + INFER, { body: inferJson(constantInputs(20)) });
  await until(async () => (await waiting(slow)) === 19);
  // A look at the queue is believed for some milliseconds; more of them do no harm.
  await sleep(20);
  const body = inferJson(constantInputs(1));
  const outcome = async (path: string, headers = {}) => {
    const { status, json } = await ask(slow.url + path, { body, headers });
    return [status, json?.code];
  };
  expect(await outcome(INFER)).toEqual([503, 'ERR_TFT_HTTP_OVERLOADED']);
  expect(await outcome('/v2/models/other/infer')).toEqual([404, 'ERR_TFT_HTTP_MODEL']);
  expect(await outcome(INFER, { 'x-request-timeout-ms': 'soon' })).toEqual([400, 'ERR_TFT_HTTP_HEADER']);
  expect(await metric(slow.url, /^tft_http_refusals_total\{code="ERR_TFT_HTTP_OVERLOADED"\} (\d+)/m)).toBe(1);
  held.release();
  expect((await first).status).toBe(200);
});

test('a client that goes away takes its waiting request with it', async () => {
  await using slow = await running(ONE_BY_ONE);
  using held = holdRuns();
  const long = ask(slow.url + INFER, { body: inferJson(constantInputs(20)) });
  await until(async () => (await waiting(slow)) === 19);
  const leaving = request(slow.url + INFER, { method: 'POST', agent: false });
  leaving.on('error', () => {});
  leaving.end(inferJson(constantInputs(100)));
  await until(async () => (await waiting(slow)) === 119);
  leaving.destroy();
  await until(async () => (await metric(slow.url, /failure\{.*reason="CANCELED"\} (\d+)/)) === 1);
  expect(await waiting(slow)).toBe(19);
  held.release();
  expect((await long).status).toBe(200);
});

test('bodies in progress are bounded in bytes, and refused beyond', async () => {
  await using tiny = await running({ maxBytesInFlight: 1000 });
  const { port, hostname } = new URL(tiny.url);
  const holder = connect(Number(port), hostname);
  holder.write(
    `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n${' '.repeat(2000)}`,
  );
  await until(async () => (await metric(tiny.url, /^tft_http_in_flight_bytes (\d+)/m)) >= 2000);
  const body = inferJson(constantInputs(1));
  const refused = await ask(`${tiny.url}/v2/models/tiny/infer`, { body });
  expect([refused.status, refused.json?.code, refused.headers['retry-after']]).toEqual([
    503,
    'ERR_TFT_HTTP_OVERLOADED',
    '1',
  ]);
  expect((await ask(`${tiny.url}/v2/health/live`)).status).toBe(200);
  holder.destroy();
  await until(async () => (await metric(tiny.url, /^tft_http_in_flight_bytes (\d+)/m)) < 1000);
  expect((await ask(`${tiny.url}/v2/models/tiny/infer`, { body })).status).toBe(200);
});

test('readiness ends while the queue is full, and comes back', async () => {
  await using slow = await running({ ...ONE_BY_ONE, queueLimit: 1 });
  const ready = async () => (await ask(`${slow.url}/v2/health/ready`)).status;
  expect(await ready()).toBe(200);
  using held = holdRuns();
  const long = ask(slow.url + INFER, { body: inferJson(constantInputs(20)) });
  await until(async () => (await ready()) === 503);
  expect((await ask(`${slow.url}/v2/health/live`)).status).toBe(200);
  held.release();
  await long;
  await until(async () => (await ready()) === 200);
});

test('connections beyond the limit are closed', async () => {
  await using tiny = await running({ maxConnections: 2 });
  const { port, hostname } = new URL(tiny.url);
  const holders = [connect(Number(port), hostname), connect(Number(port), hostname)];
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.on('connect', resolve))));
  const outcome = await askRaw(
    tiny.url,
    'GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  ).catch(() => '');
  expect(outcome).toBe('');
  for (const holder of holders) holder.destroy();
  await until(async () => (await ask(`${tiny.url}/v2`).catch(() => undefined))?.status === 200);
});

test('an overload does not flood the log', async () => {
  await using tiny = await running();
  for (let index = 0; index < 100; index++) await ask(`${tiny.url}/nothing`);
  const lines = tiny.log.filter(({ code }) => code === 'ERR_TFT_HTTP_NOT_FOUND');
  expect(lines.length).toBeGreaterThanOrEqual(5);
  expect(lines.length).toBeLessThan(100);
});
