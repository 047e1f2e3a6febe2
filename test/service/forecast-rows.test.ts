// POST /forecast: measurements of servers in, their forecasts out, as a client meets it.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forecastSchema } from '../../src/forecast-schema.js';
import { FleetHistory, TFTEngine } from '../../src/index.js';
import { scanLines, scanRows } from '../../src/service/http/json/row-scan.js';
import { HEADER, lines, STEP, T0 } from '../cli/tft.js';
import { bundles } from '../fixtures/bundles.js';
import { type Answer, ask, type Running, running } from './running.js';

let service: Running;
beforeAll(async () => {
  service = await running({ maxServers: 3 });
});
afterAll(() => service[Symbol.asyncDispose]());

const TYPES = { json: 'application/json', lines: 'application/x-ndjson', csv: 'text/csv' } as const;

function post(body: string | Buffer, type: string = TYPES.json, query = '', headers = {}): Promise<Answer> {
  return ask(`${service.url}/forecast${query}`, { body, headers: { 'content-type': type, ...headers } });
}

/** A row as a table has it. */
const row = (server_name: string, step: number, cpu: number | null = step) => ({
  timestamp: new Date(T0 + step * STEP).toISOString(),
  server_name,
  profile: 'web_api',
  status: 'healthy',
  cpu_user_pct: cpu,
  net_in_mb_s: 0.5,
  load_average: 2,
});
const rows = (server: string, count = 6) => Array.from({ length: count }, (_, step) => row(server, step));

function forecastsOf({ status, json }: Answer) {
  expect(json).toEqual(expect.objectContaining({ forecasts: expect.any(Array) }));
  expect(status).toBe(200);
  return forecastSchema.parse(json);
}

async function expected(...servers: string[]) {
  await using engine = await TFTEngine.load(bundles.tiny);
  const history = new FleetHistory(engine.model);
  for (const server of servers) {
    for (const { cpu_user_pct, net_in_mb_s, load_average, ...rest } of rows(server)) {
      history.add({ ...rest, metrics: { cpu_user_pct, net_in_mb_s, load_average } });
    }
  }
  return JSON.parse(JSON.stringify(await engine.forecast(history)));
}

describe('the same measurements give the same answer', () => {
  const all = [...rows('a'), ...rows('b')];
  const nested = all.map(({ cpu_user_pct, net_in_mb_s, load_average, profile, ...rest }) => ({
    ...rest,
    categories: { profile },
    metrics: { cpu_user_pct, net_in_mb_s, load_average },
  }));
  const csv = HEADER + lines('a', 0, 5) + lines('b', 0, 5);
  test.each([
    ['a JSON list', JSON.stringify(all), TYPES.json, {}],
    ['JSON with a type of its own spelling', JSON.stringify(all), 'Application/JSON; charset=utf-8', {}],
    [
      'JSON under rows',
      JSON.stringify({ servers: ['a', 'b'], rows: all, raw: false }, null, 2),
      TYPES.json,
      {},
    ],
    ["JSON as the library's rows", JSON.stringify({ rows: nested }), TYPES.json, {}],
    ['a JSON object a line', `\n${all.map((one) => JSON.stringify(one)).join('\r\n')}\n\n`, TYPES.lines, {}],
    ['CSV', csv, TYPES.csv, {}],
    ['CSV packed with gzip', gzipSync(csv), TYPES.csv, { 'content-encoding': 'gzip' }],
    ['JSON packed with gzip', gzipSync(JSON.stringify(all)), TYPES.json, { 'content-encoding': 'gzip' }],
  ])('%s', async (_what, body, type, headers) => {
    expect(forecastsOf(await post(body, type, '', headers))).toEqual(await expected('a', 'b'));
  });
});

test('names, times, unit, what was refused and what was filled are in the answer', async () => {
  const body = JSON.stringify([...rows('a').filter((_, step) => step !== 3), row('new', 5)]);
  const answer = forecastsOf(await post(body));
  expect(answer).toMatchObject({
    model: 'tiny',
    target: 'cpu_user_pct',
    unit: '',
    sorted: true,
    clipped: true,
  });
  expect(answer.forecasts[0]).toMatchObject({
    server: 'a',
    now: 5,
    start: '2026-01-07T09:30:00.000Z',
    stepMinutes: 15,
  });
  expect(answer.forecasts[0]?.times).toHaveLength(4);
  expect(answer.refused).toMatchObject([{ server: 'new', code: 'ERR_TFT_HISTORY_SHORT' }]);
  expect(answer.warnings).toMatchObject([{ kind: 'filled', server: 'a', count: 1 }]);
});

test('a category that changes, and that the graph of tiny reads ahead, is read from rows ahead or warned of', async () => {
  const past = rows('a').map((one, step) => ({ ...one, status: step < 5 ? 'healthy' : 'offline' }));
  const { warnings } = forecastsOf(await post(JSON.stringify(past)));
  expect(warnings).toMatchObject([
    {
      kind: 'category',
      count: 1,
      message: expect.stringMatching(/^status: the model reads its values ahead/),
    },
  ]);
  const ahead = [6, 7, 8, 9].map((step) => ({
    ...row('a', step, null),
    net_in_mb_s: null,
    load_average: null,
    status: 'offline',
  }));
  expect(forecastsOf(await post(JSON.stringify([...past, ...ahead]))).warnings).toEqual([]);
});

test('options are in the URL or beside the rows', async () => {
  const low = JSON.stringify({
    rows: Array.from({ length: 8 }, (_, step) => row('a', step, -50)),
    raw: true,
  });
  const raw = forecastsOf(await post(low));
  expect(raw).toMatchObject({ sorted: false, clipped: false });
  expect(raw.forecasts[0]?.values[0]?.[0]).toBeLessThan(0);
  const at = new Date(T0 + 5 * STEP).toISOString();
  const early = forecastsOf(await post(low, TYPES.json, `?at=${at}&servers=a,z`));
  expect(early.forecasts[0]?.start).toBe('2026-01-07T09:30:00.000Z');
  expect(early.refused.map(({ server }) => server)).toEqual(['z']);
});

test('where no server can be forecast the answer says so of each', async () => {
  const answer = forecastsOf(await post(JSON.stringify([row('a', 0), row('b', 0)])));
  expect(answer.forecasts).toEqual([]);
  expect(answer.refused.map(({ server }) => server)).toEqual(['a', 'b']);
});

test.each([
  [
    '[{"timestamp":0,"server_name":"a","cpu_user_pct":1}]',
    400,
    'ERR_TFT_HISTORY_COLUMN',
    /^rows\[0\] \(a at 1970-01-01T00:00Z\): metric net_in_mb_s is missing/,
  ],
  [
    JSON.stringify([row('a', 0), { ...row('a', 1), server: 'a' }]),
    400,
    'ERR_TFT_HISTORY_COLUMN',
    /^rows\[1\].*'server'; is server_name meant\?/,
  ],
  [
    JSON.stringify([{ ...row('a', 0), timestamp: 'noon' }]),
    400,
    'ERR_TFT_HISTORY_VALUE',
    /^rows\[0\] \(a\), column timestamp: 'noon'/,
  ],
  [JSON.stringify([{ ...row('a', 0), load_average: '1' }]), 400, 'ERR_TFT_HISTORY_VALUE', /load_average/],
  ['[1]', 400, 'ERR_TFT_HISTORY_VALUE', /rows\[0\].*not an object/],
  ['[null]', 400, 'ERR_TFT_HISTORY_VALUE', /rows\[0\]/],
  ['[]', 400, 'ERR_TFT_HISTORY_EMPTY', /no rows/],
  ['{}', 400, 'ERR_TFT_HTTP_BODY', /a list of rows is expected/],
  ['"rows"', 400, 'ERR_TFT_HTTP_BODY', /a list of rows is expected/],
  ['', 400, 'ERR_TFT_HTTP_BODY', /a list of rows is expected/],
  ['{"rows":{}}', 400, 'ERR_TFT_HTTP_BODY', /a list of rows is expected/],
  [`${JSON.stringify(rows('a')).slice(0, -1)};`, 400, 'ERR_TFT_HTTP_BODY', /a comma or the end of the list/],
  ['[{', 400, 'ERR_TFT_HTTP_BODY', /ends within its JSON/],
  ['[{"a":"]', 400, 'ERR_TFT_HTTP_BODY', /ends within its JSON/],
  ['[{"a":tru}]', 400, 'ERR_TFT_HTTP_BODY', /rows\[0\] is not JSON/],
  [`${JSON.stringify(rows('a'))}]`, 400, 'ERR_TFT_HTTP_BODY', /not JSON/],
  [JSON.stringify({ rows: rows('a'), colour: 'red' }), 400, 'ERR_TFT_HTTP_BODY', /colour/],
  [
    JSON.stringify({ maxGapMinutes: 5, rows: rows('a') }),
    400,
    'ERR_TFT_HTTP_BODY',
    /goes into the URL: \/forecast\?maxGapMinutes=5/,
  ],
  [
    JSON.stringify(['a', 'b', 'c', 'd'].map((name) => row(name, 0))),
    413,
    'ERR_TFT_HISTORY_LIMIT',
    /more than 3 servers/,
  ],
])('%s is refused', async (body, status, code, message) => {
  const { status: found, json } = await post(body);
  expect({ status: found, ...json }).toMatchObject({ status, code, error: expect.stringMatching(message) });
});

test.each([
  ['text/plain', HEADER, 415, /text\/plain.*text\/csv are/],
  [TYPES.csv, `${HEADER}a,b\n`, 400, /^the body, line 2 has 2 fields/],
  [TYPES.csv, HEADER.replace('load_average', 'load'), 400, /load_average/],
  [TYPES.csv, Buffer.from([0xff, 0xfe, 0x0a]), 400, /not text in UTF-8/],
  [TYPES.csv, gzipSync(HEADER), 400, /Content-Encoding: gzip/],
  [TYPES.lines, '{"a":1}\n{', 400, /unknown column 'a'/],
])('a body of type %s with mistakes is refused', async (type, body, status, message) => {
  const { status: found, json } = await post(body, type);
  expect({ status: found, ...json }).toMatchObject({ status, error: expect.stringMatching(message) });
});

test('blanks without end are looked through once, or refused', async () => {
  const unexpected = () => expect.unreachable();
  // Were each line looked through to the end of the body, this would take hours.
  await scanLines(Buffer.alloc(2 ** 20, '\n'), unexpected, () => {});
  const blanks = ' '.repeat(2 ** 20);
  for (const text of [
    `[${blanks}]`,
    `${blanks}[]`,
    `{"a":1,${blanks}"rows":[]}`,
    `{"rows":[]${blanks}}`,
    `{"a":"${blanks}","rows":[]}`,
    `{"rows":[],"a":"${blanks}"}`,
  ]) {
    await expect(scanRows(Buffer.from(text), unexpected, () => {})).rejects.toMatchObject({
      code: 'ERR_TFT_HTTP_TOO_LARGE',
    });
  }
});

test.each([
  ['?colour=red', /colour/],
  ['?raw=perhaps', /raw/],
  ['?maxGapMinutes=1000', /at most 90/],
  ['?maxGapMinutes=-1', /maxGapMinutes/],
  ['?at=noon', /at is not a time/],
  ['?servers=a&servers=b', undefined],
])('the URL %s is understood or refused', async (query, message) => {
  const { status, json } = await post(JSON.stringify(rows('a')), TYPES.json, query);
  if (message === undefined) expect(status).toBe(200);
  else expect({ status, ...json }).toMatchObject({ status: 400, error: expect.stringMatching(message) });
});

test('the root leads to the documents, which have an example', async () => {
  const { status, headers } = await ask(service.url);
  expect([status, headers.location]).toEqual([302, '/docs']);
  const page = (await ask(`${service.url}/docs`)).bytes.toString();
  expect(page).toContain('curl -H');
  const { json } = await ask(`${service.url}/openapi.json`);
  const { paths } = json as { paths: Record<string, { post: { responses: Record<string, unknown> } }> };
  const answer = paths['/forecast']?.post.responses['200'] as {
    content: { 'application/json': { example: unknown } };
  };
  forecastSchema.parse(answer.content['application/json'].example);
});
