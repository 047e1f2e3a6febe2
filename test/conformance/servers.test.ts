// The same HTTP requests to the Node service and to tft-server: the same statuses, headers and bytes. What the servers compute
// and how requests end there is seen through the backend 'kserve'; this is what only HTTP shows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ForecastInputs } from '../../src/index.js';
import { bundles, constantInputs, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { holdByFile } from '../fixtures/held-file.js';
import { HOLDABLE, holdRuns } from '../fixtures/held-runs.js';
import { whyNoCppServer } from '../service/cpp-server.js';
import {
  type Answer,
  ask,
  binaryPredictions,
  inferBinary,
  inferJson,
  outputData,
  predictBody,
  until,
} from '../service/running.js';
import { metric } from '../service/serving.js';
import { BAD_VALUES, errorOf, withValue } from './bad-values.js';
import { type Served, serveByCpp, serveByNode } from './subjects.js';

if (whyNoCppServer) console.warn(`conformance: 'servers' is skipped: ${whyNoCppServer}`);

const MODEL = '/v2/models/tiny';
const INFER = `${MODEL}/infer`;
const inputs = variedInputs(3, 5);
const numbers = JSON.stringify(predictBody(inputs));
const BYTES = { parameters: { binary_data_output: true } };

interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

const REQUESTS: Readonly<Record<string, Asked>> = {
  'the server': { path: '/v2' },
  'that it lives': { path: '/v2/health/live' },
  'that it is ready': { path: '/readyz' },
  'the model': { path: MODEL },
  'a version of it': { path: `${MODEL}/versions/1` },
  'a slash at the end': { path: `${MODEL}/` },
  'a query': { path: `${MODEL}?verbose=1` },
  'that the model is ready': { path: `${MODEL}/ready` },
  'its configuration': { path: `${MODEL}/config` },
  'the repository': { path: '/v2/repository/index', body: '{}' },
  'the head alone': { path: MODEL, method: 'HEAD' },
  'another model': { path: '/v2/models/other' },
  'another version': { path: `${MODEL}/versions/9/infer`, body: inferJson(inputs) },
  'a method that a path does not take': { path: INFER },
  'a method that a path that is read does not take': { path: '/metrics', body: '' },
  'numbers in JSON': { path: '/predict', body: numbers },
  'numbers in the protocol’s JSON': { path: INFER, body: inferJson(inputs, { id: 'its own' }) },
  'numbers in bytes': { path: INFER, ...inferBinary(inputs, BYTES) },
  'bytes, answered in JSON': { path: INFER, ...inferBinary(inputs) },
  'a time to wait': { path: INFER, body: inferJson(inputs, { parameters: { timeout: 60_000_000 } }) },
  'a time that is none': { path: INFER, body: inferJson(inputs, { parameters: { timeout: 'soon' } }) },
  'an unknown output': { path: INFER, body: inferJson(inputs, { outputs: [{ name: 'other' }] }) },
  'an unknown tensor': { path: INFER, body: inferJson(inputs).replace('encoder_cat', 'encoder_dog') },
  'another type': { path: INFER, body: inferJson(inputs).replace('INT32', 'INT64') },
  'another shape': { path: INFER, body: inferJson(inputs).replace('[3,6,3]', '[3,3,6]') },
  'too few bytes': { path: INFER, ...cut(inferBinary(inputs)) },
  'no body': { path: '/predict', body: '' },
  'no JSON': { path: '/predict', body: 'hello' },
  'an unknown name': { path: '/predict', body: numbers.replace('encoder_cat', 'encoder_dog') },
  'NaN in JSON': { path: '/predict', body: numbers.replace('[', '[NaN,') },
  'a number beyond float32': { path: '/predict', body: numbers.replace('[', '[1e39,') },
  'a length that is no multiple': { path: '/predict', body: numbers.replace('[', '[1,') },
  'no series': { path: '/predict', body: JSON.stringify(predictBody(constantInputs(0))) },
  'too many series': { path: '/predict', body: JSON.stringify(predictBody(constantInputs(600))) },
  'an encoding that is not known': { path: '/predict', headers: { 'content-encoding': 'zstd' }, body: '{}' },
  'what is not the encoding': { path: '/predict', headers: { 'content-encoding': 'gzip' }, body: '{}' },
  'a foreign host': { path: '/v2', headers: { host: 'foreign.example' } },
  'a foreign page': { path: '/v2', headers: { origin: 'https://foreign.example' } },
  'a foreign host, by a wrong method': { path: INFER, headers: { host: 'foreign.example' } },
  'a preflight where no foreign page may ask': {
    path: INFER,
    method: 'OPTIONS',
    headers: { origin: 'https://foreign.example', 'access-control-request-method': 'POST' },
  },
  'what administrators ask': { path: '/admin/reload', body: '' },
};

function cut({ body, headers }: ReturnType<typeof inferBinary>) {
  return { body: body.subarray(0, body.length - 4), headers };
}

/** A request in each format that has bytes or numbers for such values. */
function formats(bad: ForecastInputs): Asked[] {
  const text = JSON.stringify(predictBody(bad));
  // NaN and the infinities are no JSON.
  const inJson = text.includes('null') ? [] : [{ path: '/predict', body: text }];
  return [...inJson, { path: INFER, ...inferBinary(bad, BYTES) }];
}

const onTheWire = (key: string) => key.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);

describe.skipIf(whyNoCppServer)('both servers', () => {
  let servers: readonly Served[] = [];
  beforeAll(async () => {
    const settings = { model: bundles.tiny, maxBatch: 4, queueLimit: 4, maxWaitMs: 600_000 };
    servers = await Promise.all([serveByNode({ ...HOLDABLE, ...settings }), serveByCpp(settings)]);
  });
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  const askBoth = ({ path, ...rest }: Asked) =>
    Promise.all(servers.map((server) => ask(server.address + path, rest)));

  /** What must be the same of an answer. An error has the number of its request, which is not. */
  function same({ status, headers, bytes, json }: Answer): object {
    const { 'content-type': type = '', allow, vary, ...others } = headers;
    const length = others['inference-header-content-length'];
    const { request_id: request, ...error } = json ?? {};
    if (status >= 400) expect(request).toBe(others['x-request-id']);
    // Node's framework names the character set too.
    const kept = { status, type: type.replace(/; charset=utf-8$/, ''), allow, vary, length };
    return { ...kept, body: status >= 400 ? error : bytes.toString('latin1') };
  }

  test.each(Object.entries(REQUESTS))('%s', async (_, request) => {
    const [node, cpp] = await askBoth(request);
    expect(same(cpp as Answer)).toEqual(same(node as Answer));
    expect((node as Answer).status).not.toBe(500);
  });

  test('forecasts are right in each format', async () => {
    const right = tinyAnswer(inputs);
    for (const answer of await askBoth({ path: INFER, ...inferBinary(inputs, BYTES) }))
      expect(binaryPredictions(answer)).toEqual(right);
    for (const answer of await askBoth({ path: INFER, body: inferJson(inputs) }))
      expect(outputData(answer)).toEqual([...right]);
    for (const { json } of await askBoth({ path: '/predict', body: numbers }))
      expect((json as { predictions: number[][][] }).predictions.flat(2)).toEqual([...right]);
  });

  test.each(BAD_VALUES)('%s[%i] = %d is refused as the engine refuses it', async (...bad) => {
    const { code, message } = errorOf(bad, onTheWire);
    for (const request of formats(withValue(...bad))) {
      for (const { status, json } of await askBoth(request))
        expect({ status, ...json }).toMatchObject({ status: 400, code, error: message });
    }
  });

  test('a request that waits for too long, and one beyond the limit of the queue', async () => {
    using held = holdRuns();
    const release = holdByFile();
    using _ = { [Symbol.dispose]: release };
    const all = async (name: string, value: number) => {
      for (const { address } of servers) await until(async () => (await metric(address, name)) === value);
    };
    const first = askBoth({ path: INFER, body: inferJson(constantInputs(1)) });
    await all('tft_running_batches', 1);
    const impatient = inferJson(constantInputs(1), { parameters: { timeout: 1500 } });
    for (const { status, json } of await askBoth({ path: INFER, body: impatient })) {
      const error = 'the request had not begun to run within 1.5 ms';
      expect({ status, ...json }).toMatchObject({ status: 504, code: 'ERR_TFT_DEADLINE', error });
    }
    const waiting = askBoth({ path: INFER, body: inferJson(constantInputs(4)) });
    await all('tft_queue_servers', 4);
    // A look at the queue is believed for some milliseconds; more of them do no harm.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const refused = await askBoth({ path: INFER, body: inferJson(constantInputs(2)) });
    for (const { status, headers, json } of refused) {
      const error = expect.stringMatching(/^4 series are waiting, about \d+ ms of work; try again in 1 s$/);
      expect({ status, ...json }).toMatchObject({ status: 503, code: 'ERR_TFT_HTTP_OVERLOADED', error });
      expect(headers['retry-after']).toBe('1');
    }
    held.release();
    release();
    for (const { status } of [...(await first), ...(await waiting)]) expect(status).toBe(200);
  });
});
