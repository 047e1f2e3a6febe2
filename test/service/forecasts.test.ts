// Forecasts over HTTP: what a client sends and what it gets, when all is well.
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
} from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel } from '../../src/index.js';
import { published, tinyAnswer, tinyMetadata, variedInputs } from '../fixtures/bundles.js';
import {
  ask,
  binaryPredictions,
  inferBinary,
  inferJson,
  nest,
  outputData,
  predictBody,
  type Running,
  running,
} from './running.js';

let tiny: Running;
beforeAll(async () => {
  tiny = await running();
});
afterAll(() => tiny[Symbol.asyncDispose]());

const inputs = variedInputs(3, 1);
const expected = Array.from(tinyAnswer(inputs));

describe('POST /predict', () => {
  test('answers with the quantiles of each server and step, and says what they are', async () => {
    const { status, json, headers } = await ask(`${tiny.url}/predict`, {
      body: JSON.stringify(predictBody(inputs)),
    });
    expect(json).toEqual({
      model: 'tiny',
      version: '1',
      target: 'cpu_user_pct',
      step_minutes: 15,
      quantiles: [0.1, 0.5, 0.9],
      shape: [3, 4, 3],
      predictions: nest(nest(expected, 3), 4),
    });
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch('application/json');
  });

  test('takes arrays nested in every way that has the same numbers in the same order', async () => {
    const flat = predictBody(inputs);
    const rows = { encoder_cont: 3, encoder_cat: 2, decoder_cont: 2, decoder_cat: 2 } as const;
    const steps = { encoder_cont: 6, encoder_cat: 6, decoder_cont: 4, decoder_cat: 4 } as const;
    const names = Object.keys(rows) as (keyof typeof rows)[];
    const nested = names.map((name) => [name, nest(nest(flat[name] ?? [], rows[name]), steps[name])]);
    const byServer = names.map((name) => [name, nest(flat[name] ?? [], rows[name] * steps[name])]);
    for (const body of [nested, byServer]) {
      const { json } = await ask(`${tiny.url}/predict`, {
        body: JSON.stringify(Object.fromEntries(body), null, 2),
      });
      expect(json?.predictions).toEqual(nest(nest(expected, 3), 4));
    }
    const one = predictBody(variedInputs(1, 2));
    const single = Object.fromEntries(names.map((name) => [name, nest(one[name] ?? [], rows[name])]));
    const { json } = await ask(`${tiny.url}/predict`, { body: JSON.stringify(single) });
    expect(json?.shape).toEqual([1, 4, 3]);
  });

  test('takes the keys in any order and written with escapes', async () => {
    const text = JSON.stringify(Object.fromEntries(Object.entries(predictBody(inputs)).reverse()));
    const { json } = await ask(`${tiny.url}/predict`, {
      body: text.replace('encoder_cat', 'encoder\\u005fcat'),
    });
    expect(json?.predictions).toEqual(nest(nest(expected, 3), 4));
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('takes a body packed with %s', async (encoding, pack) => {
    const { json } = await ask(`${tiny.url}/predict`, {
      body: pack(JSON.stringify(predictBody(inputs))),
      headers: { 'content-encoding': encoding },
    });
    expect(json?.predictions).toEqual(nest(nest(expected, 3), 4));
  });

  test.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
    ['br', brotliDecompressSync],
    ['gzip;q=0.1, br;q=0.9', brotliDecompressSync],
    ['identity', (bytes: Buffer) => bytes],
    ['gzip;q=0', (bytes: Buffer) => bytes],
  ])('packs a large answer for a client that accepts %s', async (accepted, unpack) => {
    const many = variedInputs(200, 3);
    const { bytes, headers } = await ask(`${tiny.url}/predict`, {
      body: JSON.stringify(predictBody(many)),
      headers: { 'accept-encoding': accepted },
    });
    expect(JSON.parse(unpack(bytes).toString()).predictions).toEqual(
      nest(nest(Array.from(tinyAnswer(many)), 3), 4),
    );
    expect(headers.vary).toBe('accept-encoding');
  });
});

test('of a model that takes shorter series, a number of steps that it does not take is named', async () => {
  await using service = await running({ model: published.stallion });
  const model = await loadModel(published.stallion);
  const predict = (steps: number) => {
    const arrays = model.inputs.map(({ name, shape: [, rows, channels] }) => [
      name,
      Array<number>(rows * channels).fill(name === 'encoder_lengths' ? steps : 1),
    ]);
    return ask(`${service.url}/predict`, { body: JSON.stringify(Object.fromEntries(arrays)) });
  };
  const [few, enough] = [await predict(11), await predict(12)];
  expect(few.status).toBe(400);
  expect(JSON.stringify(few.json)).toContain(
    'encoder_lengths[0] (series 0) is 11; a number of steps from 12 to 24 is expected',
  );
  expect(enough.status).toBe(200);
  expect([enough.json?.predictions].flat(4)).toHaveLength(6 * 7);
});

describe('KServe v2', () => {
  test('JSON in, JSON out: the flat numbers, their shape, and the id', async () => {
    const { json, status } = await ask(`${tiny.url}/v2/models/tiny/infer`, {
      body: inferJson(inputs, { id: 'mine []"' }),
    });
    expect(status).toBe(200);
    expect(json).toEqual({
      model_name: 'tiny',
      model_version: '1',
      id: 'mine []"',
      outputs: [{ name: 'predictions', datatype: 'FP32', shape: [3, 4, 3], data: expected }],
    });
  });

  test('bytes in, bytes out, wherever the tensors lie in the body', async () => {
    for (let pad = 0; pad < 4; pad++) {
      const { body, headers } = inferBinary(inputs, { parameters: { binary_data_output: true } }, pad);
      const answer = await ask(`${tiny.url}/v2/models/tiny/versions/1/infer`, { body, headers });
      expect(answer.headers['content-type']).toBe('application/octet-stream');
      expect(Array.from(binaryPredictions(answer))).toEqual(expected);
      const json = answer.bytes.subarray(0, Number(answer.headers['inference-header-content-length']));
      expect(JSON.parse(json.toString()).outputs).toEqual([
        { name: 'predictions', datatype: 'FP32', shape: [3, 4, 3], parameters: { binary_data_size: 144 } },
      ]);
    }
  });

  test('null, where a client has nothing to say, is nothing', async () => {
    const inputs = variedInputs(2, 4);
    const request = JSON.parse(inferJson(inputs)) as { inputs: object[] };
    const body = JSON.stringify({
      ...request,
      id: null,
      parameters: null,
      inputs: request.inputs.map((input) => ({ ...input, parameters: null })),
      outputs: [{ name: 'predictions', parameters: null }],
    });
    const answer = await ask(`${tiny.url}/v2/models/tiny/infer`, { body });
    expect(outputData(answer)).toEqual(Array.from(tinyAnswer(inputs)));
    expect(answer.json).not.toHaveProperty('id');
    const { body: bytes, headers } = inferBinary(inputs, { id: null, outputs: null });
    const header = Number(headers['inference-header-content-length']);
    const json = bytes.toString('utf8', 0, header).replaceAll('"datatype"', '"data":null,"datatype"');
    const withNull = await ask(`${tiny.url}/v2/models/tiny/infer`, {
      body: Buffer.concat([Buffer.from(json), bytes.subarray(header)]),
      headers: { 'inference-header-content-length': String(json.length) },
    });
    expect(outputData(withNull)).toEqual(Array.from(tinyAnswer(inputs)));
  });

  test.each([
    ['INT64', (codes: number[]) => new BigInt64Array(codes.map(BigInt))],
    ['UINT64', (codes: number[]) => new BigUint64Array(codes.map(BigInt))],
    ['INT16', (codes: number[]) => new Int16Array(codes)],
    ['UINT8', (codes: number[]) => new Uint8Array(codes)],
  ])('categories as %s, in JSON and in bytes', async (datatype, arrayOf) => {
    const inputs = variedInputs(2, 4);
    const request = JSON.parse(inferJson(inputs)) as {
      inputs: { name: string; datatype: string; data: number[]; shape: number[] }[];
    };
    for (const input of request.inputs) if (input.name.endsWith('cat')) input.datatype = datatype;
    const url = `${tiny.url}/v2/models/tiny/infer`;
    expect(outputData(await ask(url, { body: JSON.stringify(request) }))).toEqual(
      Array.from(tinyAnswer(inputs)),
    );
    const send = (change: (codes: number[]) => number[] = (codes) => codes) => {
      const arrays = request.inputs.map(({ name, data }) =>
        name.endsWith('cat') ? arrayOf(change(data)) : new Float32Array(data),
      );
      const list = request.inputs.map(({ data: _, ...rest }, index) => ({
        ...rest,
        parameters: { binary_data_size: arrays[index]?.byteLength },
      }));
      const json = Buffer.from(JSON.stringify({ inputs: list }));
      const body = Buffer.concat([
        json,
        ...arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
      ]);
      return ask(url, { body, headers: { 'inference-header-content-length': String(json.length) } });
    };
    expect(outputData(await send())).toEqual(Array.from(tinyAnswer(inputs)));
    if (!datatype.endsWith('64')) return;
    const tooLarge = await send((codes) => [...codes.slice(1), 2 ** 31]);
    expect(tooLarge.json).toMatchObject({
      code: 'ERR_TFT_INPUT_CATEGORY',
      error: expect.stringContaining('2147483648, which INT32 cannot hold'),
    });
  });

  test("an output's own setting for bytes or JSON overrides the request's", async () => {
    const url = `${tiny.url}/v2/models/tiny/infer`;
    const bytes = [{ name: 'predictions', parameters: { binary_data: true } }];
    expect(
      Array.from(binaryPredictions(await ask(url, { body: inferJson(inputs, { outputs: bytes }) }))),
    ).toEqual(expected);
    const { body, headers } = inferBinary(inputs, {
      parameters: { binary_data_output: true },
      outputs: [{ name: 'predictions', parameters: { binary_data: false } }],
    });
    const answer = await ask(url, { body, headers });
    expect(outputData(answer)).toEqual(expected);
  });

  test('a binary body packed with gzip, in chunks without a length', async () => {
    const { body, headers } = inferBinary(inputs, {}, 1);
    const answer = await ask(`${tiny.url}/v2/models/tiny/infer`, {
      body: gzipSync(body),
      headers: { ...headers, 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' },
    });
    expect(outputData(answer)).toEqual(expected);
  });

  test('describes the server, the model, its configuration and its statistics', async () => {
    const get = async (path: string) => (await ask(`${tiny.url}${path}`)).json;
    expect(await get('/v2')).toMatchObject({
      name: 'tft-tensorrt',
      extensions: expect.arrayContaining(['binary_tensor_data']),
    });
    const metadata = await get('/v2/models/tiny');
    expect(metadata).toEqual(await get('/v2/models/tiny/versions/1'));
    expect(metadata).toEqual({
      name: 'tiny',
      versions: ['1'],
      platform: 'tft_tensorrt',
      ...tinyMetadata,
    });
    expect(await get('/v2/models/tiny/ready')).toEqual({ name: 'tiny', ready: true });
    expect(await get('/v2/models/tiny/config')).toMatchObject({ max_batch_size: 8, backend: 'onnxruntime' });
    const { model_stats: stats } = (await get('/v2/models/tiny/stats')) as {
      model_stats: Record<string, number>[];
    };
    expect(stats[0]).toMatchObject({ name: 'tiny', version: '1', inference_count: expect.any(Number) });
    expect((await ask(`${tiny.url}/v2/repository/index`, { body: '' })).json).toEqual([
      { name: 'tiny', version: '1', state: 'READY', reason: '' },
    ]);
  });
});

test('an id that the client gave comes back, and one is made up where it gave none or a bad one', async () => {
  const id = async (given?: string) =>
    (await ask(`${tiny.url}/v2`, given === undefined ? {} : { headers: { 'x-request-id': given } })).headers[
      'x-request-id'
    ];
  expect(await id('trace-7')).toBe('trace-7');
  expect(await id('no spaces')).not.toBe('no spaces');
  expect(await id()).not.toBe(await id());
});

test('the numbers of a keep-alive connection, one request after another, belong to their requests', async () => {
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  const answers = await Promise.all(
    seeds.map((seed) => {
      const { body, headers } = inferBinary(variedInputs(1 + (seed % 3), seed), {
        parameters: { binary_data_output: true },
      });
      return ask(`${tiny.url}/v2/models/tiny/infer`, { body, headers, agent });
    }),
  );
  agent.destroy();
  for (const seed of seeds) {
    const answer = answers[seed];
    if (!answer) throw new Error('no answer');
    expect(binaryPredictions(answer)).toEqual(tinyAnswer(variedInputs(1 + (seed % 3), seed)));
  }
});
