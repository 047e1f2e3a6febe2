// The backend 'kserve': the same engine, with the model on a server. Most tests run the service of this package.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { readSamples } from '../../src/contract/samples.js';
import { type LogEntry, TFTEngine } from '../../src/index.js';
import { verifyBundle } from '../../src/verify.js';
import {
  bundles,
  constantInputs,
  published,
  samples,
  tinyAnswer,
  tinyMetadata,
  variedInputs,
} from '../fixtures/bundles.js';
import { failure } from '../fixtures/predict-failure.js';
import { isCpp } from './cpp-server.js';
import { ask, type Running, running, until } from './running.js';
import { hasTls, tlsCert, tlsKey } from './transports.js';

const bundle = bundles.tiny;

function addressOf({ url }: Pick<Running, 'url'>): string {
  return `${url.replace('http', 'kserve')}/tiny`;
}

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

const METADATA = { name: 'tiny', ...tinyMetadata };

const RIGHT = 'the-right-key-of-the-service';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A server that is ready and has the model of `tiny`; it answers requests for forecasts by `infer`. */
async function pretender(infer: Respond, metadata: object = METADATA): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/infer')) infer(request, response);
    else response.end(JSON.stringify(request.url?.endsWith('/tiny') ? metadata : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `kserve://127.0.0.1:${(server.address() as AddressInfo).port}/tiny`;
}

function status(code: number, body: object): Respond {
  return (request, response) => {
    request.resume();
    response.writeHead(code).end(JSON.stringify(body));
  };
}

describe('a model on a server', () => {
  test('forecasts what it forecasts here', async () => {
    await using server = await running();
    await using here = await TFTEngine.load(bundle);
    await using there = await TFTEngine.load(addressOf(server), { bundle });
    const { inputs, expected } = samples();
    expect((await there.predict(inputs)).data).toEqual(expected);
    const varied = variedInputs(50, 3);
    const forecast = await there.predict(varied, { sorted: true });
    expect(forecast.data).toEqual((await here.predict(varied, { sorted: true })).data);
    expect(forecast.shape).toEqual([50, 4, 3]);
    const requests = [1, 7, 2].map((batch) => variedInputs(batch, batch));
    const many = await there.predictBatch(requests);
    expect(many.map(({ data }) => data)).toEqual(requests.map(tinyAnswer));
    const out = new Float32Array(12);
    expect((await there.predict(constantInputs(1), { out })).data).toBe(out);
    expect(out).toEqual(tinyAnswer(constantInputs(1)));
  });

  test('is described by info, and counted', async () => {
    await using server = await running();
    await using engine = await TFTEngine.load(addressOf(server), { bundle, backend: 'kserve' });
    expect(engine.info).toMatchObject({
      backend: 'kserve',
      device: `tft-tensorrt at ${server.url}`,
      endpoints: [server.url],
      origin: `${server.url}/v2/models/tiny`,
      precision: 'unknown',
      why: 'asked for by name',
    });
    await engine.predict(constantInputs(1));
    await engine.warmup();
    expect(engine.counters()).toMatchObject({ accepted: 3, succeeded: 3, failed: 0, retries: 0 });
    expect(engine.counters()).toMatchObject({ waitingServers: 0, runningBatches: 0 });
  });

  test('checks inputs before anything is sent', async () => {
    let asked = 0;
    const address = await pretender((request, response) => {
      asked++;
      status(500, {})(request, response);
    });
    await using engine = await TFTEngine.load(address, { bundle });
    const inputs = constantInputs(2);
    inputs.encoderCont[20] = Number.NaN;
    await expect(engine.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_INPUT_VALUE' });
    await expect(engine.predictBatch([constantInputs(1), inputs])).rejects.toMatchObject({
      code: 'ERR_TFT_INPUT_VALUE',
      details: { request: 1 },
    });
    const codes = constantInputs(1);
    codes.decoderCat[0] = 99;
    await expect(engine.predict(codes)).rejects.toMatchObject({ code: 'ERR_TFT_INPUT_CATEGORY' });
    expect(asked).toBe(0);
    expect(() => engine.predictSync(constantInputs(1))).toThrow(
      expect.objectContaining({ code: 'ERR_TFT_UNSUPPORTED' }),
    );
  });

  test('needs the right API key', async () => {
    await using server = await running({ apiKeys: [RIGHT] });
    await using engine = await TFTEngine.load(addressOf(server), { bundle, remote: { apiKey: RIGHT } });
    expect((await engine.predict(constantInputs(1))).data).toEqual(tinyAnswer(constantInputs(1)));
    await expect(
      TFTEngine.load(addressOf(server), { bundle, remote: { apiKey: 'wrong' } }),
    ).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_REFUSED',
      message: expect.stringContaining('API key'),
    });
  });

  test.skipIf(!hasTls || isCpp)('is reached over TLS, if its certificate is the expected one', async () => {
    await using server = await running({ tlsCert, tlsKey });
    const address = `kserves://localhost:${new URL(server.url).port}/tiny`;
    await using engine = await TFTEngine.load(address, { bundle, remote: { ca: readFileSync(tlsCert) } });
    expect((await engine.predict(constantInputs(1))).data).toEqual(tinyAnswer(constantInputs(1)));
    await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_UNAVAILABLE',
      message: expect.stringContaining('certificate'),
    });
  });
});

describe('a model with several outputs on a server', () => {
  const staticCont = Float32Array.of(1, 2, 3, 4);
  const inputs = { ...variedInputs(2, 3), staticCont };
  const importance = Float32Array.of(2, 4, 6, 8);

  test('gives all of them', async () => {
    await using server = await running({ model: bundles.wide });
    const address = addressOf(server).replace('tiny', 'wide');
    await using here = await TFTEngine.load(bundles.wide);
    await using there = await TFTEngine.load(address, { bundle: bundles.wide, maxBatch: 1 });
    const { data, outputs } = await there.predict(inputs);
    expect(data).toEqual((await here.predict(inputs)).data);
    expect(outputs.metric_importance?.data).toEqual(importance);
  });

  test('answers with those that are asked for, as bytes or as numbers', async () => {
    await using server = await running({ model: bundles.wide });
    const url = `${server.url}/v2/models/wide/infer`;
    const tensors = [
      ['encoder_cont', 'FP32', [2, 6, 3], inputs.encoderCont],
      ['encoder_cat', 'INT32', [2, 6, 2], inputs.encoderCat],
      ['decoder_cont', 'FP32', [2, 4, 2], inputs.decoderCont],
      ['decoder_cat', 'INT32', [2, 4, 2], inputs.decoderCat],
      ['static_cont', 'FP32', [2, 1, 2], staticCont],
    ] as const;
    const body = (outputs?: object[]) =>
      JSON.stringify({
        inputs: tensors.map(([name, datatype, shape, data]) => ({ name, datatype, shape, data: [...data] })),
        outputs,
      });
    const named = (name: string, binary?: boolean) => ({
      name,
      parameters: { binary_data: binary ?? false },
    });
    const { json: all } = await ask(url, { body: body() });
    const answered = (json: unknown) =>
      (json as { outputs: { name: string; data?: number[] }[] }).outputs.map(({ name, data }) => [
        name,
        data,
      ]);
    expect(answered(all).map(([name]) => name)).toEqual(['predictions', 'metric_importance']);
    const { json: one } = await ask(url, { body: body([named('metric_importance')]) });
    expect(answered(one)).toEqual([['metric_importance', [...importance]]]);
    const mixed = await ask(url, { body: body([named('metric_importance', true), named('predictions')]) });
    const length = Number(mixed.headers['inference-header-content-length']);
    expect(answered(JSON.parse(mixed.bytes.toString('utf8', 0, length)))).toEqual([
      ['metric_importance', undefined],
      ['predictions', answered(all)[0]?.[1]],
    ]);
    expect(new Float32Array(new Uint8Array(mixed.bytes.subarray(length)).buffer)).toEqual(importance);
    const { status: unknown } = await ask(url, { body: body([named('attention')]) });
    const { status: twice } = await ask(url, { body: body([named('predictions'), named('predictions')]) });
    expect([unknown, twice]).toEqual([400, 400]);
    const { json: metadata } = await ask(`${server.url}/v2/models/wide`, {});
    expect((metadata as { outputs: object[] }).outputs).toHaveLength(2);
  });
});

test.skipIf(isCpp)('a model that explains does so on a server too', async () => {
  await using server = await running({ model: 'demo', explain: true });
  const address = addressOf(server).replace('tiny', 'demo');
  await using here = await TFTEngine.load('demo', { explain: true, threads: 1 });
  await using there = await TFTEngine.load(address, { bundle: 'demo', explain: true });
  const { inputs } = await readSamples(here.model);
  const [ours, theirs] = [await here.predict(inputs), await there.predict(inputs)];
  expect([...theirs][7]?.explanation).toEqual([...ours][7]?.explanation);
  expect(theirs.data).toEqual(ours.data);
});

test('a published model on a server forecasts as PyTorch does, with all of its inputs', async () => {
  for (const [name, bundle] of Object.entries(published)) {
    await using server = await running({ model: bundle });
    await using engine = await TFTEngine.load(addressOf(server).replace('tiny', name), { bundle });
    expect(engine.info.backend).toBe('kserve');
    expect((await verifyBundle(engine)).withinLimit).toBe(true);
  }
});

describe('loading', () => {
  test('refuses another model, and names the tensor', async () => {
    await using server = await running();
    await expect(TFTEngine.load(addressOf(server), { bundle: 'demo' })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_MISMATCH',
      message: expect.stringMatching(
        /^the served model's input 'encoder_cont' is FP32 \[-1,6,3\]; the bundle says/,
      ),
      details: { tensor: 'encoder_cont' },
    });
    await expect(TFTEngine.load(addressOf(server), { bundle: bundles.wide })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_MISMATCH',
    });
    await expect(
      TFTEngine.load(addressOf(server).replace('tiny', 'other'), { bundle }),
    ).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_REFUSED',
    });
  });

  test.each([
    ['a missing output', { ...METADATA, outputs: [] }, 'predictions'],
    ['another type', { ...METADATA, outputs: [{ ...METADATA.outputs[0], datatype: 'FP16' }] }, 'predictions'],
    ['a further input', { ...METADATA, inputs: [...METADATA.inputs, { name: 'mask' }] }, 'mask'],
    ['a fixed batch', { ...METADATA, inputs: [{ ...METADATA.inputs[0], shape: [8, 6, 3] }] }, 'encoder_cont'],
  ])('refuses %s', async (_, metadata, tensor) => {
    const address = await pretender(status(500, {}), metadata);
    await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_MISMATCH',
      details: { tensor },
    });
  });

  test.each<[string, string | string[], object, string]>([
    ['no bundle', 'kserve://localhost:1/tiny', {}, 'ERR_TFT_OPTION'],
    ['no model', 'kserve://localhost:1', { bundle }, 'ERR_TFT_OPTION'],
    ['no such host name', 'kserve://a b:1/tiny', { bundle }, 'ERR_TFT_OPTION'],
    ['two models', ['kserve://localhost:1/tiny', 'kserve://localhost:1/b'], { bundle }, 'ERR_TFT_OPTION'],
    ['a path with a bundle', bundle, { bundle }, 'ERR_TFT_OPTION'],
    ['another protocol', 'http://localhost:1/tiny', {}, 'ERR_TFT_BACKEND_UNAVAILABLE'],
    [
      'a local backend',
      'kserve://localhost:1/tiny',
      { bundle, backend: 'onnxruntime' },
      'ERR_TFT_UNSUPPORTED',
    ],
    ['a path', bundle, { backend: 'kserve' }, 'ERR_TFT_UNSUPPORTED'],
    ['a precision', 'kserve://localhost:1/tiny', { bundle, precision: 'fp16' }, 'ERR_TFT_UNSUPPORTED'],
    ['nobody there', 'kserve://localhost:1/tiny', { bundle }, 'ERR_TFT_REMOTE_UNAVAILABLE'],
  ])('refuses %s', async (_, path, options, code) => {
    await expect(TFTEngine.load(path, options)).rejects.toMatchObject({ code });
  });
});

describe('a response', () => {
  const answers: [string, Respond, string][] = [
    ['400', status(400, { error: 'no' }), 'ERR_TFT_REMOTE_REFUSED'],
    ['500', status(500, { error: 'broken' }), 'ERR_TFT_RUN'],
    ['504', status(504, { error: 'late' }), 'ERR_TFT_DEADLINE'],
    ['503', status(503, { error: 'busy' }), 'ERR_TFT_REMOTE_UNAVAILABLE'],
    ['429', status(429, { error: 'busy' }), 'ERR_TFT_REMOTE_UNAVAILABLE'],
    ['a connection that breaks', (request) => request.socket.destroy(), 'ERR_TFT_REMOTE_UNAVAILABLE'],
    ['JSON alone', status(200, { outputs: [] }), 'ERR_TFT_REMOTE_ANSWER'],
    ['a wrong length of the JSON', binary('{}', 0, 999), 'ERR_TFT_REMOTE_ANSWER'],
    ['no output', binary('{"outputs":[]}', 0), 'ERR_TFT_REMOTE_ANSWER'],
    ['no JSON', binary('{', 0), 'ERR_TFT_REMOTE_ANSWER'],
    ['too few bytes', binary(output([1, 4, 3], 48), 44), 'ERR_TFT_REMOTE_ANSWER'],
    ['another shape', binary(output([1, 3, 4], 48), 48), 'ERR_TFT_REMOTE_ANSWER'],
    ['a shape that does not fit its bytes', binary(output([1, 4, 3], 44), 44), 'ERR_TFT_REMOTE_ANSWER'],
    ['far too many bytes', binary(output([1, 4, 3], 48), 2 ** 21), 'ERR_TFT_REMOTE_ANSWER'],
  ];

  test.each(answers)('%s is an error with a code', async (_, respond, code) => {
    await using engine = await TFTEngine.load(await pretender(respond), { bundle });
    expect(await failure(engine)).toMatchObject({ code });
    expect(engine.counters()).toMatchObject(
      code === 'ERR_TFT_DEADLINE' ? { expired: 1 } : { failed: 1, succeeded: 0 },
    );
  });

  test('that is right is taken', async () => {
    await using engine = await TFTEngine.load(await pretender(binary(output([1, 4, 3], 48), 48)), { bundle });
    expect((await engine.predict(constantInputs(1))).data).toEqual(new Float32Array(12));
  });

  function output(shape: number[], size: number): string {
    return JSON.stringify({
      outputs: [{ name: 'predictions', datatype: 'FP32', shape, parameters: { binary_data_size: size } }],
    });
  }

  function binary(json: string, bytes: number, header = json.length): Respond {
    return (request, response) => {
      request.resume();
      response.setHeader('inference-header-content-length', String(header));
      response.end(Buffer.concat([Buffer.from(json), Buffer.alloc(bytes)]));
    };
  }
});

describe('a server that does not answer', () => {
  test('is waited for until the deadline, the signal or the time for a response', async () => {
    const address = await pretender(() => {});
    await using engine = await TFTEngine.load(address, { bundle, remote: { timeoutMs: 300 } });
    expect(await failure(engine, { deadlineMs: 20 })).toMatchObject({ code: 'ERR_TFT_DEADLINE' });
    const controller = new AbortController();
    const aborted = failure(engine, { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await aborted).toMatchObject({ code: 'ERR_TFT_ABORTED', cause: { message: 'enough' } });
    expect(await failure(engine)).toMatchObject({
      code: 'ERR_TFT_REMOTE_UNAVAILABLE',
      details: { reason: 'timeout' },
    });
    expect(engine.counters()).toMatchObject({ expired: 1, cancelled: 1, failed: 1, runningBatches: 0 });
  });

  test('gets no more requests than its connections; the queue is limited', async () => {
    const open: ServerResponse[] = [];
    const address = await pretender((request, response) => {
      request.resume();
      open.push(response);
    });
    await using engine = await TFTEngine.load(address, {
      bundle,
      queueLimit: 4,
      maxBatch: 2,
      remote: { connections: 2 },
    });
    const requests = Array.from({ length: 6 }, () => failure(engine));
    await until(() => open.length === 2);
    expect(engine.counters()).toMatchObject({ waitingServers: 4, runningBatches: 2 });
    expect(await failure(engine)).toMatchObject({ code: 'ERR_TFT_QUEUE_FULL' });
    expect(open).toHaveLength(2);
    let answered = 0;
    while (answered < 6) {
      await until(() => open.length > 0);
      open.pop()?.writeHead(500).end();
      answered++;
    }
    expect(
      (await Promise.all(requests)).every((error) => (error as { code: string }).code === 'ERR_TFT_RUN'),
    ).toBe(true);
    expect(engine.counters()).toMatchObject({ refused: 1, failed: 6, waitingServers: 0 });
  });
});

describe('several servers', () => {
  /** What the proxies pass requests on to. */
  let target = '';

  /** A server that passes requests on when and if `handle` does. @returns its URL. */
  async function proxy(handle: (pass: () => Promise<void>) => Promise<void>): Promise<string> {
    const pass = async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { host: _, connection: __, ...headers } = request.headers;
      const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
      const answer = await ask(`${target}${request.url}`, { headers, body });
      const { 'transfer-encoding': ___, connection: ____, ...answered } = answer.headers;
      response.writeHead(answer.status, answered).end(answer.bytes);
    };
    const server = createServer((request, response) => void handle(() => pass(request, response)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('one is killed, one hangs, one is slow: no request is lost, and those return', async () => {
    let isHung = false;
    // In front of two of the services: one delays every request, one holds them while it hangs, the probes too.
    const proxies: [string, string] = [
      await proxy(async (pass) => {
        await delay(50);
        await pass();
      }),
      await proxy(async (pass) => {
        if (!isHung) await pass();
      }),
    ];
    await using behind = await running();
    let killed = await running();
    const port = Number(new URL(killed.url).port);
    target = behind.url;
    const hosts = [proxies[0], killed.url, proxies[1]];
    const log: LogEntry[] = [];
    const address = `kserve://${hosts.map((url) => new URL(url).host).join(',')}/tiny`;
    await using engine = await TFTEngine.load(address, {
      bundle,
      log: (entry) => log.push(entry),
      // Long enough for the slow one on a busy machine.
      remote: { timeoutMs: 2000 },
    });
    expect(engine.info.endpoints).toEqual(hosts);
    const inputs = Array.from({ length: 60 }, (_, seed) => variedInputs(2, seed));
    const askAll = async () => {
      const forecasts = await Promise.all(inputs.map((one) => engine.predict(one, { deadlineMs: 20_000 })));
      expect(forecasts.map(({ data }) => data)).toEqual(inputs.map(tinyAnswer));
    };
    await askAll();
    expect(engine.counters().retries).toBe(0);

    await killed.service.stop();
    isHung = true;
    for (let round = 0; round < 3; round++) await askAll();
    expect(engine.counters()).toMatchObject({ accepted: 240, succeeded: 240, failed: 0, expired: 0 });
    expect(engine.counters().retries).toBeGreaterThan(0);
    const outOfUse = log
      .filter(({ message }) => message.includes('is out of use'))
      .map(({ message }) => message);
    expect(outOfUse.map((message) => message.split(' ')[0]).sort()).toEqual(hosts.slice(1).sort());

    isHung = false;
    killed = await running({ port });
    await using _restarted = killed;
    await until(() => log.filter(({ message }) => message.endsWith('is in use again')).length === 2);
    const { retries } = engine.counters();
    await askAll();
    expect(engine.counters()).toMatchObject({ succeeded: 300, retries });
    // Before the services stop: they wait for its idle connections.
    await engine.close();
  });

  test('idle ones take turns, and a busy one gets fewer', async () => {
    const asked = [0, 0];
    const held: ServerResponse[] = [];
    const counting = (server: 0 | 1, hold: boolean) =>
      pretender((request, response) => {
        request.resume();
        asked[server] = (asked[server] as number) + 1;
        if (hold && asked[server] > 5) held.push(response);
        else response.writeHead(500).end();
      });
    const addresses = [await counting(0, true), await counting(1, false)];
    await using engine = await TFTEngine.load(addresses, { bundle });
    for (let request = 0; request < 10; request++) await failure(engine);
    expect(asked).toEqual([5, 5]);
    const waiting = [failure(engine), failure(engine)];
    await until(() => held.length === 1 && asked[1] === 6);
    // The idle server's response has come back: until then both are equally busy.
    await Promise.race(waiting);
    for (let request = 0; request < 5; request++) await failure(engine);
    expect(asked).toEqual([6, 11]);
    held.pop()?.writeHead(500).end();
    await Promise.all(waiting);
  });

  test.each([429, 503])('of three that answer %i a request asks two', async (code) => {
    let asked = 0;
    const busy = () =>
      pretender((request, response) => {
        asked++;
        status(code, { error: 'busy' })(request, response);
      });
    await using engine = await TFTEngine.load([await busy(), await busy(), await busy()], { bundle });
    expect(await failure(engine)).toMatchObject({ code: 'ERR_TFT_REMOTE_UNAVAILABLE' });
    expect(asked).toBe(2);
    expect(engine.counters()).toMatchObject({ failed: 1, retries: 1 });
  });

  test('a busy one is passed over once, and a request never outlives its deadline', async () => {
    const busy = await pretender(status(429, { error: 'busy' }));
    const silent = await pretender(() => {});
    const silentToo = await pretender(() => {});
    await using good = await running();
    await using engine = await TFTEngine.load([busy, addressOf(good)], { bundle });
    for (let request = 0; request < 4; request++) await engine.predict(constantInputs(1));
    expect(engine.counters()).toMatchObject({ succeeded: 4, retries: 2 });

    await using never = await TFTEngine.load([silent, silentToo], { bundle });
    expect(await failure(never, { deadlineMs: 50 })).toMatchObject({ code: 'ERR_TFT_DEADLINE' });
    expect(never.counters()).toMatchObject({ expired: 1, runningBatches: 0 });
  });

  test('one that is not there when loading is used later', async () => {
    await using good = await running();
    const gone = await running();
    const port = Number(new URL(gone.url).port);
    await gone.service.stop();
    const log: string[] = [];
    const addresses = [addressOf(gone), addressOf(good)];
    await using engine = await TFTEngine.load(addresses, { bundle, log: ({ message }) => log.push(message) });
    await engine.predict(constantInputs(1));
    expect(engine.counters().retries).toBe(0);
    await using _started = await running({ port });
    await until(() => log.some((message) => message === `${gone.url} is in use again`));
    await engine.predict(constantInputs(1));
    // Before the services stop: they wait for its idle connections.
    await engine.close();
  });
});
