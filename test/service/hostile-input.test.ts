// Bad requests, of honest clients and of others: each gets a 4xx with a code, and the service goes on.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { constantInputs, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import {
  ask,
  askRaw,
  inferBinary,
  inferJson,
  outputData,
  predictBody,
  type Running,
  running,
} from './running.js';

let tiny: Running;
beforeAll(async () => {
  tiny = await running({ maxServers: 8, requestTimeoutMs: 1000, headersTimeoutMs: 1000 });
});
afterAll(() => tiny[Symbol.asyncDispose]());

afterEach(async () => {
  const inputs = variedInputs(1, 5);
  const answer = await ask(`${tiny.url}/v2/models/tiny/infer`, { body: inferJson(inputs) });
  expect(outputData(answer)).toEqual(Array.from(tinyAnswer(inputs)));
});

const good = predictBody(constantInputs(1, 1));

/** A body of /predict with some of it changed. */
function predictText(change: object): string {
  return JSON.stringify({ ...good, ...change });
}

describe('POST /predict refuses', () => {
  test.each([
    ['an empty body', '', 400, 'ERR_TFT_HTTP_BODY', /empty/],
    ['what is no JSON', 'hello', 400, 'ERR_TFT_HTTP_BODY', /not JSON/],
    [
      'JSON cut off in a number',
      '{"encoder_cont":[1,2',
      400,
      'ERR_TFT_HTTP_BODY',
      /ends inside 'encoder_cont'/,
    ],
    ['JSON cut off in a string', '{"encoder_c', 400, 'ERR_TFT_HTTP_BODY', /ends inside a string/],
    ['something behind the JSON', `${JSON.stringify(good)}x`, 400, 'ERR_TFT_HTTP_BODY', /not JSON/],
    ['an array', '[]', 400, 'ERR_TFT_HTTP_BODY', /must be an object/],
    ['a tensor missing', '{}', 400, 'ERR_TFT_HTTP_BODY', /encoder_cont is missing/],
    ['a tensor that is none', predictText({ encoder_cat: 5 }), 400, 'ERR_TFT_HTTP_BODY', /must be an array/],
    ['an unknown key', predictText({ servers: [1] }), 400, 'ERR_TFT_HTTP_BODY', /'servers' is unknown/],
    ['NaN', JSON.stringify(good).replace('1', 'NaN'), 400, 'ERR_TFT_INPUT_VALUE', /'NaN,1/],
    ['null', JSON.stringify(good).replace('1', 'null'), 400, 'ERR_TFT_INPUT_VALUE', /'null/],
    [
      'a string in a tensor',
      JSON.stringify(good).replace('1', '"1"'),
      400,
      'ERR_TFT_INPUT_VALUE',
      /number 0 is expected/,
    ],
    [
      'a number that float32 cannot hold',
      JSON.stringify(good).replace('1', '1e39'),
      400,
      'ERR_TFT_INPUT_VALUE',
      /encoder_cont\[0\].*Infinity/,
    ],
    [
      'a leading zero',
      JSON.stringify(good).replace('1', '01'),
      400,
      'ERR_TFT_INPUT_VALUE',
      /number 1 is expected/,
    ],
    [
      'a comma at the end',
      JSON.stringify(good).replace(']', ',]'),
      400,
      'ERR_TFT_INPUT_VALUE',
      /is expected/,
    ],
    [
      'uneven rows',
      predictText({
        decoder_cat: [
          [0, 0],
          [0, 0, 0],
          [0, 0, 0],
        ],
      }),
      400,
      'ERR_TFT_HTTP_BODY',
      /rows differ/,
    ],
    [
      'an exponent behind an array',
      JSON.stringify(good).replace(']', ']e0'),
      400,
      'ERR_TFT_HTTP_BODY',
      /not JSON/,
    ],
    [
      'a digit before an array',
      JSON.stringify(good).replace('[', '1['),
      400,
      'ERR_TFT_HTTP_BODY',
      /must be an array/,
    ],
    [
      "the library's names, in a body larger than all that is not numbers may be",
      JSON.stringify({ encoderCont: new Array(34_000).fill(1) }),
      400,
      'ERR_TFT_HTTP_BODY',
      /'encoderCont' is unknown; encoder_cont/,
    ],
    [
      'numbers among rows',
      predictText({ decoder_cat: [[0, 0], 1] }),
      400,
      'ERR_TFT_HTTP_BODY',
      /rows differ/,
    ],
    [
      'another shape',
      predictText({
        decoder_cat: [
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ],
      }),
      400,
      'ERR_TFT_HTTP_BODY',
      /shape \[2, 4\]/,
    ],
    [
      'empty tensors',
      '{"encoder_cont":[],"encoder_cat":[],"decoder_cont":[],"decoder_cat":[]}',
      400,
      'ERR_TFT_INPUT_EMPTY',
      /empty/,
    ],
    [
      'a tensor too short',
      predictText({ decoder_cat: [0] }),
      400,
      'ERR_TFT_INPUT_LENGTH',
      /decoder_cat: found length 1/,
    ],
    [
      'tensors of unequal batch',
      predictText({ decoder_cat: new Array(16).fill(0) }),
      400,
      'ERR_TFT_INPUT_BATCH',
      /decoder_cat 2/,
    ],
    [
      'a code that is not whole',
      predictText({ decoder_cat: [0, 0, 0, 0.5, 0, 0, 0, 0] }),
      400,
      'ERR_TFT_INPUT_CATEGORY',
      /decoder_cat\[3\] is 0.5/,
    ],
    [
      'a code outside the vocabulary',
      predictText({ decoder_cat: [0, 0, 0, 9, 0, 0, 0, 0] }),
      400,
      'ERR_TFT_INPUT_CATEGORY',
      /decoder_cat\[3\]/,
    ],
    [
      'deep nesting in a tensor',
      predictText({}).replace('[', '['.repeat(60_000)),
      400,
      'ERR_TFT_HTTP_BODY',
      /deeper than 8/,
    ],
    ['deep nesting elsewhere', `{"a":${'['.repeat(30_000)}`, 400, 'ERR_TFT_HTTP_BODY', /not JSON/],
    ['text without end', `{"a":"${'x'.repeat(60_000)}`, 400, 'ERR_TFT_HTTP_BODY', /inside a string/],
    [
      'bytes that are no text',
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
      400,
      'ERR_TFT_HTTP_BODY',
      /UTF-8/,
    ],
    [
      'too many servers',
      JSON.stringify(predictBody(constantInputs(9))),
      413,
      'ERR_TFT_HTTP_TOO_LARGE',
      /more than the 144 numbers|9 series/,
    ],
  ])('%s', async (_what, body, status, code, message) => {
    const answer = await ask(`${tiny.url}/predict`, { body });
    expect(answer.json).toEqual({
      error: expect.stringMatching(message),
      code,
      request_id: answer.headers['x-request-id'],
    });
    expect(answer.status).toBe(status);
  });

  test('a body over the limit, before it is read', async () => {
    const length = 10_000_000;
    const text = await askRaw(
      tiny.url,
      `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n{`,
    );
    expect(text).toMatch(/^HTTP\/1.1 413 /);
    expect(text).toMatch(/connection: close/i);
    expect(text).toContain('ERR_TFT_HTTP_TOO_LARGE');
  });

  test.each([
    ['gzip', gzipSync(Buffer.alloc(50_000_000, ' '))],
    ['br', brotliCompressSync(Buffer.alloc(50_000_000, ' '))],
  ])('a bomb of %s, without unpacking it', async (encoding, body) => {
    const before = process.memoryUsage().rss;
    const answer = await ask(`${tiny.url}/predict`, { body, headers: { 'content-encoding': encoding } });
    expect(answer.json?.code).toBe('ERR_TFT_HTTP_TOO_LARGE');
    expect(answer.status).toBe(413);
    expect(process.memoryUsage().rss - before).toBeLessThan(30_000_000);
  });

  test.each([
    ['gzip that is none', 'gzip', Buffer.from('hello'), 400],
    ...[gzipSync, brotliCompressSync, deflateSync].map(
      (pack, index) =>
        [
          `something behind what is packed as ${['gzip', 'br', 'deflate'][index]}`,
          ['gzip', 'br', 'deflate'][index] as string,
          Buffer.concat([pack(JSON.stringify(good)), Buffer.from('more')]),
          400,
        ] as [string, string, Buffer, number],
    ),
    ['gzip cut off', 'gzip', gzipSync(JSON.stringify(good)).subarray(0, 40), 400],
    ['an unknown encoding', 'zip', Buffer.from('x'), 415],
    ['two encodings', 'gzip, gzip', gzipSync(gzipSync('x')), 415],
  ])('%s', async (_what, encoding, body, status) => {
    const answer = await ask(`${tiny.url}/predict`, { body, headers: { 'content-encoding': encoding } });
    expect(answer.json?.code).toBe('ERR_TFT_HTTP_ENCODING');
    expect(answer.status).toBe(status);
  });

  test('a deadline that is no number', async () => {
    const headers = { 'x-request-timeout-ms': 'soon' };
    const { status, json } = await ask(`${tiny.url}/predict`, { body: JSON.stringify(good), headers });
    expect([status, json?.code]).toEqual([400, 'ERR_TFT_HTTP_HEADER']);
  });
});

describe('KServe infer refuses', () => {
  const inputs = constantInputs(2, 1);
  const change = (edit: (request: Request) => void): string => {
    const request = JSON.parse(inferJson(inputs)) as Request;
    edit(request);
    return JSON.stringify(request);
  };
  interface Request {
    [key: string]: unknown;
    inputs: Record<string, unknown>[];
  }
  const first = (edit: Record<string, unknown>) =>
    change((request) => Object.assign(request.inputs[0] ?? {}, edit));

  test.each([
    ['no inputs', '{}', /inputs must be an array/],
    ['an input missing', change((request) => request.inputs.pop()), /'decoder_cat' is missing/],
    [
      'an input twice',
      change((request) => request.inputs.splice(1, 1, request.inputs[0] as object as never)),
      /twice/,
    ],
    ['an unknown input', first({ name: 'x' }), /"x" is unknown/],
    ['another datatype', first({ datatype: 'FP64' }), /FP32 is expected/],
    ['another shape', first({ shape: [2, 3, 6] }), /\[series, 6, 3\]/],
    ['a shape of no servers', first({ shape: [0, 6, 3] }), /at least one series/],
    ['a shape without bounds', first({ shape: [1e15, 6, 3] }), /shape needs/],
    ['fewer numbers than the shape says', first({ data: [1, 2, 3] }), /has 3 numbers/],
    ['neither data nor bytes', first({ data: undefined }), /neither data nor/],
    ['data that is no array', first({ data: 0 }), /must be an array/],
    ['an unknown output', change((request) => (request.outputs = [{ name: 'y' }])), /"y" is unknown/],
    ['an id that is no text', change((request) => (request.id = 5)), /id must be a string/],
    ['a timeout below zero', change((request) => (request.parameters = { timeout: -1 })), /microseconds/],
    ['shared memory', first({ parameters: { shared_memory_region: 'a' } }), /shared memory/],
    [
      'classification',
      change((request) => (request.outputs = [{ name: 'predictions', parameters: { classification: 3 } }])),
      /classification/,
    ],
    [
      'bytes that are not there',
      first({ data: undefined, parameters: { binary_data_size: 144 } }),
      /there are only 0/,
    ],
    [
      'bytes of another length',
      first({ data: undefined, parameters: { binary_data_size: 143 } }),
      /needs 144 bytes/,
    ],
  ])('%s', async (_what, body, message) => {
    const { status, json } = await ask(`${tiny.url}/v2/models/tiny/infer`, { body });
    expect(json).toMatchObject({
      error: expect.stringMatching(message),
      code: expect.stringMatching(/^ERR_TFT_/),
    });
    expect(status).toBe(400);
  });

  test.each([
    ['a header length that is no number', 'abc'],
    ['a negative one', '-1'],
    ['one behind the body', '100000'],
    ['one behind any body', '99999999999999'],
    ['one inside the JSON', '17'],
    ['none at all', '0'],
  ])('%s', async (_what, length) => {
    const { body } = inferBinary(inputs);
    const headers = { 'inference-header-content-length': length };
    const { status, json } = await ask(`${tiny.url}/v2/models/tiny/infer`, { body, headers });
    expect(json?.code).toBe('ERR_TFT_HTTP_BODY');
    expect(status).toBe(400);
  });

  test('bytes too few, and bytes too many', async () => {
    const { body, headers } = inferBinary(inputs);
    for (const wrong of [body.subarray(0, -1), Buffer.concat([body, Buffer.alloc(3)])]) {
      const { status, json } = await ask(`${tiny.url}/v2/models/tiny/infer`, { body: wrong, headers });
      expect([status, json?.code]).toEqual([400, 'ERR_TFT_HTTP_BODY']);
    }
  });

  test('NaN among the bytes, naming the place', async () => {
    const nan = constantInputs(2, 1);
    nan.encoderCont[20] = Number.NaN;
    const { body, headers } = inferBinary(nan);
    const { status, json } = await ask(`${tiny.url}/v2/models/tiny/infer`, { body, headers });
    expect(json).toMatchObject({
      code: 'ERR_TFT_INPUT_VALUE',
      error: expect.stringContaining('encoder_cont[20]'),
    });
    expect(status).toBe(400);
  });

  test('whatever is made of a binary request: an answer, never a fault', async () => {
    const { body, headers } = inferBinary(inputs);
    const length = Number(headers['inference-header-content-length']);
    const mutation = fc.record({
      at: fc.nat(body.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
      cut: fc.option(fc.nat(body.length)),
      shift: fc.integer({ min: -40, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, bytes, cut, shift }) => {
        const mutated = Buffer.from(body);
        mutated.set(bytes.slice(0, mutated.length - at), at);
        const { status, json } = await ask(`${tiny.url}/v2/models/tiny/infer`, {
          body: cut === null ? mutated : mutated.subarray(0, cut),
          headers: { 'inference-header-content-length': String(Math.max(0, length + shift)) },
        });
        expect([200, 400, 413]).toContain(status);
        if (status !== 200) expect(json?.code).toMatch(/^ERR_TFT_/);
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});

describe('what is hardly a request', () => {
  test('another model or version is a 404 that names the one that is here', async () => {
    for (const path of ['/v2/models/other', '/v2/models/tiny/versions/2', '/v2/models/..%2f..%2fetc/ready']) {
      const { status, json } = await ask(`${tiny.url}${path}`);
      expect(status).toBe(404);
      expect(json?.code).toBe('ERR_TFT_HTTP_MODEL');
    }
  });

  test.each(['/../../etc/passwd', '/v2/models/tiny/../../../etc', '/%00', '/%zz', `/${'a/'.repeat(3000)}`])(
    'the path %s is refused',
    async (path) => {
      const text = await askRaw(
        tiny.url,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(text).toMatch(/^HTTP\/1.1 (400|404|414) /);
      expect(text).toContain('ERR_TFT_HTTP_');
    },
  );

  test('another method is a 405 that lists those that are taken', async () => {
    const { status, headers, json } = await ask(`${tiny.url}/predict`, { method: 'PUT', body: '{}' });
    expect([status, headers.allow, json?.code]).toEqual([405, 'POST', 'ERR_TFT_HTTP_METHOD']);
    expect((await ask(`${tiny.url}/v2`, { method: 'DELETE' })).headers.allow).toBe('GET, HEAD');
  });

  test('headers without end, and too many of them', async () => {
    const head = 'GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n';
    const flood = await askRaw(tiny.url, `${head}X: ${'x'.repeat(40_000)}\r\n\r\n`);
    expect(flood).toMatch(/^HTTP\/1.1 431 /);
    expect(flood).toContain('ERR_TFT_HTTP_HEADER');
    const many = Array.from({ length: 5000 }, (_, index) => `A${index}: b\r\n`).join('');
    expect(await askRaw(tiny.url, `${head}${many}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  test('an unknown method is a 405', async () => {
    const text = await askRaw(tiny.url, 'BREW /predict HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1.1 405 /);
    expect(text).toContain('ERR_TFT_HTTP_METHOD');
  });

  test.each([
    ['what is no HTTP', '\x16\x03\x01 hello\r\n\r\n'],
    [
      'two lengths',
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
    ],
    [
      'a length and chunks',
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'chunks that are none',
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    ],
  ])('%s ends the connection with a 400', async (_what, text) => {
    const answer = await askRaw(tiny.url, text);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  test('headers, or a body, that do not come to an end are cut off with a 408', async () => {
    const [headers, body] = await Promise.all([
      askRaw(tiny.url, 'POST /predict HTTP/1.1\r\nHost: localhost\r\nX-'),
      askRaw(tiny.url, 'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{'),
    ]);
    for (const text of [headers, body]) {
      expect(text).toMatch(/^HTTP\/1.1 408 /);
      expect(text).toContain('ERR_TFT_HTTP_TIMEOUT');
    }
  });

  test('what is no HTTP behind a good request does not take the place of its answer', async () => {
    const request = `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${JSON.stringify(good).length}\r\n\r\n`;
    const text = await askRaw(
      tiny.url,
      `${request}${JSON.stringify(good)}${request}${JSON.stringify(good)}GARBAGE\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  test('a client that goes away in the middle of its body is no fault of the service', async () => {
    await askRaw(tiny.url, 'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{', true);
    expect(tiny.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
