// The backend 'kserve' over gRPC. What it does is the same as over HTTP (remote.test.ts); here is what gRPC could do otherwise.
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { type LoadOptions, TFTEngine } from '../../src/index.js';
import { bundles, constantInputs, tinyAnswer, tinyMetadata, variedInputs } from '../fixtures/bundles.js';
import {
  type Call,
  Failure,
  grpcServer,
  honest,
  type Infer,
  type InferRequest,
  type InferResponse,
  type ServerOptions,
} from '../fixtures/grpc-server.js';
import { failure } from '../fixtures/predict-failure.js';
import { running, until } from './running.js';
import { hasTls, tlsCert, tlsKey } from './transports.js';

const bundle = bundles.tiny;

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function serve(infer: Infer = honest, options: ServerOptions = {}) {
  const server = await grpcServer(infer, options);
  stops.push(server.stop);
  return { ...server, address: `kserve+grpc://127.0.0.1:${server.port}/tiny` };
}

async function load(infer: Infer, options: LoadOptions = {}): Promise<TFTEngine> {
  return TFTEngine.load((await serve(infer)).address, { bundle, ...options });
}

const fails =
  (code: status, message?: string, headersFirst?: boolean): Infer =>
  () => {
    throw new Failure(code, message, headersFirst);
  };

const never = () => new Promise<never>(() => {});

describe('a model on a server, by gRPC', () => {
  test('forecasts what it forecasts here, and leaves the server no connection', async () => {
    const requests: InferRequest[] = [];
    const server = await serve(
      (request) => {
        requests.push(request);
        return honest(request);
      },
      { maxBatch: 4 },
    );
    const engine = await TFTEngine.load(server.address, { bundle });
    const origin = `grpc://127.0.0.1:${server.port}`;
    expect(engine.info).toMatchObject({
      backend: 'kserve',
      device: `pretender at ${origin}`,
      versions: { 'server pretender': '1.2.3' },
      endpoints: [origin],
      origin: `${origin}/tiny`,
      maxBatch: 4,
    });
    const inputs = variedInputs(10, 3);
    expect((await engine.predict(inputs, { deadlineMs: 60_000 })).data).toEqual(tinyAnswer(inputs));
    expect(requests.map(({ inputs: [first] }) => first?.shape)).toEqual([
      [3, 6, 3],
      [3, 6, 3],
      [4, 6, 3],
    ]);
    expect(requests[0]).toMatchObject({
      modelName: 'tiny',
      modelVersion: '',
      parameters: { timeout: { int64Param: 60_000_000 } },
      inputs: tinyMetadata.inputs.map((tensor) => ({ ...tensor, shape: [3, ...tensor.shape.slice(1)] })),
      outputs: [{ name: 'predictions' }],
    });
    const many = [1, 7, 2].map((batch) => variedInputs(batch, batch));
    expect((await engine.predictBatch(many)).map(({ data }) => data)).toEqual(many.map(tinyAnswer));
    expect(engine.counters()).toMatchObject({ accepted: 2, succeeded: 2, failed: 0, retries: 0 });
    await engine.close();
    await server.drained();
  });

  test('is one version of it, if the address says so', async () => {
    const versions: string[] = [];
    const { address } = await serve((request) => {
      versions.push(request.modelVersion);
      return honest(request);
    });
    await using engine = await TFTEngine.load(`${address}/3`, { bundle });
    await engine.predict(constantInputs(1));
    expect(versions).toEqual(['3']);
  });

  test('needs the right API key, which Triton finds under its own name too', async () => {
    const names = ['authorization', 'triton-grpc-protocol-authorization'];
    for (const name of names) {
      const { address } = await serve(honest, {
        before(_, { metadata }) {
          if (metadata.get(name)[0] !== 'Bearer right')
            throw new Failure(status.UNAUTHENTICATED, 'wrong API key');
        },
      });
      await using engine = await TFTEngine.load(address, { bundle, remote: { apiKey: 'right' } });
      expect(await failure(engine)).toBeUndefined();
      await expect(TFTEngine.load(address, { bundle, remote: { apiKey: 'wrong' } })).rejects.toMatchObject({
        code: 'ERR_TFT_REMOTE_REFUSED',
        message: expect.stringContaining('UNAUTHENTICATED (wrong API key)'),
        details: { status: 'UNAUTHENTICATED' },
      });
    }
  });

  test.skipIf(!hasTls)('is reached over TLS, if its certificate is the expected one', async () => {
    const { port } = await serve(honest, {
      tls: { certificate: readFileSync(tlsCert), key: readFileSync(tlsKey) },
    });
    const address = `kserves+grpc://localhost:${port}/tiny`;
    await using engine = await TFTEngine.load(address, {
      bundle,
      remote: { ca: readFileSync(tlsCert, 'utf8') },
    });
    expect(engine.info.endpoints).toEqual([`grpcs://localhost:${port}`]);
    expect((await engine.predict(constantInputs(1))).data).toEqual(tinyAnswer(constantInputs(1)));
    await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_UNAVAILABLE',
      message: expect.stringContaining('certificate'),
    });
  });

  test('is asked itself, whatever proxy the environment names', async () => {
    const before = process.env.http_proxy;
    process.env.http_proxy = 'http://127.0.0.1:1';
    try {
      await using engine = await load(honest);
      expect(await failure(engine)).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env.http_proxy;
      else process.env.http_proxy = before;
    }
  });
});

describe('loading by gRPC', () => {
  test.each(['ServerReady', 'ModelReady'])('waits for no server whose %s says no', async (unready) => {
    const { address } = await serve(honest, { isReady: (method) => method !== unready });
    await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_UNAVAILABLE',
      details: { reason: 'not ready' },
    });
  });

  test('refuses another model, and names the tensor', async () => {
    const [first, ...rest] = tinyMetadata.inputs;
    const metadata = {
      ...tinyMetadata,
      inputs: [{ ...first, shape: [-1, 6, 5] } as typeof first & object, ...rest],
    };
    const { address } = await serve(honest, { metadata });
    await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_MISMATCH',
      details: { tensor: 'encoder_cont' },
    });
    await expect(TFTEngine.load(address.replace('tiny', 'other'), { bundle })).rejects.toMatchObject({
      code: 'ERR_TFT_REMOTE_REFUSED',
      message: expect.stringContaining('NOT_FOUND (unknown model)'),
    });
  });

  test('says so where nobody answers, or HTTP does', async () => {
    const http = createHttpServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    stops.push(() => http.close());
    for (const port of [1, (http.address() as AddressInfo).port]) {
      await expect(TFTEngine.load(`kserve+grpc://127.0.0.1:${port}/tiny`, { bundle })).rejects.toMatchObject({
        code: 'ERR_TFT_REMOTE_UNAVAILABLE',
        details: { reason: 'connection' },
      });
    }
  });

  test.each(['kserve+grpc://localhost', 'kserve+grpc://a b/tiny', 'kserves+grpc://localhost:1:2/tiny'])(
    'refuses the address %s',
    async (address) => {
      await expect(TFTEngine.load(address, { bundle })).rejects.toMatchObject({ code: 'ERR_TFT_OPTION' });
    },
  );

  test.each([
    ['kserve+grpc', 'grpc://localhost:80'],
    ['kserves+grpc', 'grpcs://localhost:443'],
  ])('takes the port of the web for %s without one', async (scheme, origin) => {
    await expect(
      TFTEngine.load(`${scheme}://localhost/tiny`, { bundle, remote: { timeoutMs: 100 } }),
    ).rejects.toMatchObject({ details: { endpoint: origin } });
  });
});

describe('a response by gRPC', () => {
  const values = new Uint8Array(48);
  const output = { name: 'predictions', datatype: 'FP32', shape: [1, 4, 3] };
  const answer =
    (response: InferResponse): Infer =>
    () =>
      response;
  const answers: [string, Infer, string][] = [
    ['INVALID_ARGUMENT', fails(status.INVALID_ARGUMENT), 'ERR_TFT_REMOTE_REFUSED'],
    ['UNIMPLEMENTED', fails(status.UNIMPLEMENTED), 'ERR_TFT_REMOTE_REFUSED'],
    ['INTERNAL', fails(status.INTERNAL), 'ERR_TFT_RUN'],
    ['UNKNOWN', fails(status.UNKNOWN), 'ERR_TFT_RUN'],
    ['DEADLINE_EXCEEDED', fails(status.DEADLINE_EXCEEDED), 'ERR_TFT_DEADLINE'],
    ['UNAVAILABLE', fails(status.UNAVAILABLE), 'ERR_TFT_REMOTE_UNAVAILABLE not ready'],
    [
      'UNAVAILABLE after headers',
      fails(status.UNAVAILABLE, 'no', true),
      'ERR_TFT_REMOTE_UNAVAILABLE not ready',
    ],
    ['RESOURCE_EXHAUSTED', fails(status.RESOURCE_EXHAUSTED), 'ERR_TFT_REMOTE_UNAVAILABLE overloaded'],
    ['CANCELLED', fails(status.CANCELLED), 'ERR_TFT_REMOTE_UNAVAILABLE connection'],
    ['no output', answer({}), 'ERR_TFT_REMOTE_ANSWER'],
    ['no bytes', answer({ outputs: [output] }), 'ERR_TFT_REMOTE_ANSWER'],
    [
      'values that are not bytes',
      answer({ outputs: [{ ...output, contents: { fp32Contents: Array(12).fill(0) } }] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    [
      'another name',
      answer({ outputs: [{ ...output, name: 'other' }], rawOutputContents: [values] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    [
      'another shape',
      answer({ outputs: [{ ...output, shape: [1, 3, 4] }], rawOutputContents: [values] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    [
      'another type',
      answer({ outputs: [{ ...output, datatype: 'FP64' }], rawOutputContents: [values] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    [
      'too few bytes',
      answer({ outputs: [output], rawOutputContents: [values.subarray(4)] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    [
      'one part too many',
      answer({ outputs: [output], rawOutputContents: [values, values] }),
      'ERR_TFT_REMOTE_ANSWER',
    ],
    ['no message', () => Buffer.from([0x2a, 0xff, 0x01]), 'ERR_TFT_REMOTE_ANSWER'],
    ['a message without an end', () => Buffer.from([0xff, 0xff]), 'ERR_TFT_REMOTE_ANSWER'],
  ];

  test.each(answers)('%s is an error with a code', async (_, infer, expected) => {
    const [, code, reason] = /^(\w+) ?(.*)$/.exec(expected) ?? [];
    await using engine = await load(infer);
    expect(await failure(engine)).toMatchObject({ code, ...(reason && { details: { reason } }) });
    expect(engine.counters()).toMatchObject(
      code === 'ERR_TFT_DEADLINE' ? { expired: 1 } : { failed: 1, succeeded: 0 },
    );
  });

  test('that is far too large is not read', async () => {
    const large = answer({ outputs: [output], rawOutputContents: [new Uint8Array(2 ** 21)] });
    await using engine = await load(large, { maxBatch: 1 });
    expect(await failure(engine)).toMatchObject({
      code: 'ERR_TFT_REMOTE_ANSWER',
      message: expect.stringContaining(`more than the ${2 ** 20 + 48} bytes`),
    });
  });

  test('that is as large as it may be is read', async () => {
    // More than the 4 MiB that gRPC takes by itself.
    const count = 90_000;
    const { address } = await serve(
      () => ({
        outputs: [{ ...output, shape: [count, 4, 3] }],
        rawOutputContents: [new Uint8Array(48 * count)],
      }),
      { maxBatch: count },
    );
    await using engine = await TFTEngine.load(address, { bundle, maxBatch: count });
    expect((await engine.predict(constantInputs(count))).shape).toEqual([count, 4, 3]);
    await using careful = await TFTEngine.load(address, { bundle });
    expect(careful.info.maxBatch).toBe(4096);
  });
});

describe('a server that does not answer by gRPC', () => {
  test('is waited for until the deadline, the signal or the time for a response, and learns of it', async () => {
    let cancelled = 0;
    const infer: Infer = (_, call: Call) => {
      call.on('cancelled', () => cancelled++);
      return never();
    };
    await using engine = await load(infer, { remote: { timeoutMs: 2 ** 30 } });
    expect(await failure(engine, { deadlineMs: 20 })).toMatchObject({ code: 'ERR_TFT_DEADLINE' });
    await until(() => cancelled === 1);
    const controller = new AbortController();
    const aborted = failure(engine, { signal: controller.signal });
    await until(() => engine.counters().runningBatches === 1);
    controller.abort(new Error('enough'));
    expect(await aborted).toMatchObject({ code: 'ERR_TFT_ABORTED', cause: { message: 'enough' } });
    await until(() => engine.counters().runningBatches === 0);
    expect(engine.counters()).toMatchObject({ expired: 1, cancelled: 1 });
    await using hasty = await load(infer, { remote: { timeoutMs: 200 } });
    expect(await failure(hasty)).toMatchObject({
      code: 'ERR_TFT_REMOTE_UNAVAILABLE',
      details: { reason: 'timeout' },
    });
    expect(hasty.counters()).toMatchObject({ failed: 1, runningBatches: 0 });
  });

  test('knows how long it has', async () => {
    let left = 0;
    await using engine = await load((request, call) => {
      left = (call.getDeadline() as Date).valueOf() - Date.now();
      return honest(request);
    });
    await engine.predict(constantInputs(1));
    // The time of one server by default, and a second more; infinite without a deadline.
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(12_000);
  });

  test('gets no more requests than its connections; the queue is limited', async () => {
    const open: (() => void)[] = [];
    const infer: Infer = (request) =>
      new Promise((resolve) => {
        open.push(() => resolve(honest(request)));
      });
    await using engine = await load(infer, { queueLimit: 4, maxBatch: 2, remote: { connections: 2 } });
    const requests = Array.from({ length: 6 }, () => failure(engine));
    await until(() => open.length === 2);
    expect(engine.counters()).toMatchObject({ waitingServers: 4, runningBatches: 2 });
    expect(await failure(engine)).toMatchObject({ code: 'ERR_TFT_QUEUE_FULL' });
    for (let answered = 0; answered < 6; answered++) {
      await until(() => open.length > 0);
      open.pop()?.();
    }
    expect(await Promise.all(requests)).toEqual(Array(6).fill(undefined));
    expect(engine.counters()).toMatchObject({ refused: 1, succeeded: 6, waitingServers: 0 });
  });
});

describe('several servers by gRPC', () => {
  /** Passes bytes on to a port, by connections that can be cut or unplugged; those that are made later work. */
  async function cable(port: number) {
    let sockets: Socket[] = [];
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        socket.on('error', () => {});
        sockets.push(socket);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return {
      address: `kserve+grpc://127.0.0.1:${(server.address() as AddressInfo).port}/tiny`,
      cut() {
        for (const socket of sockets) socket.destroy();
        sockets = [];
      },
      unplug() {
        for (const socket of sockets) socket.unpipe().pause();
        stops.push(...sockets.map((socket) => () => void socket.destroy()));
        sockets = [];
      },
    };
  }

  test('one is killed, one hangs, one speaks HTTP: no request is lost, and those return', async () => {
    let isHung = false;
    const hung = await serve(honest, { before: () => (isHung ? never() : undefined) });
    let killed = await serve();
    await using http = await running();
    const log: string[] = [];
    await using engine = await TFTEngine.load(
      [hung.address, killed.address, `${http.url.replace('http', 'kserve')}/tiny`],
      { bundle, log: ({ message }) => log.push(message), remote: { timeoutMs: 1000 } },
    );
    const inputs = Array.from({ length: 30 }, (_, seed) => variedInputs(2, seed));
    const askAll = async () => {
      const forecasts = await Promise.all(inputs.map((one) => engine.predict(one, { deadlineMs: 20_000 })));
      expect(forecasts.map(({ data }) => data)).toEqual(inputs.map(tinyAnswer));
    };
    await askAll();
    expect(engine.counters().retries).toBe(0);

    killed.stop();
    isHung = true;
    for (let round = 0; round < 3; round++) await askAll();
    expect(engine.counters()).toMatchObject({ accepted: 120, succeeded: 120, failed: 0, expired: 0 });
    expect(engine.counters().retries).toBeGreaterThan(0);
    expect(log.filter((message) => message.includes('is out of use'))).toHaveLength(2);

    isHung = false;
    killed = await serve(honest, { port: killed.port });
    await until(() => log.filter((message) => message.endsWith('is in use again')).length === 2);
    const { retries } = engine.counters();
    await askAll();
    expect(engine.counters()).toMatchObject({ succeeded: 150, retries });
    // Before the service stops: it waits for its idle connections.
    await engine.close();
  });

  test('one whose packets are lost returns by a new connection', async () => {
    const behind = await serve();
    const unplugged = await cable(behind.port);
    const other = await serve();
    const log: string[] = [];
    await using engine = await TFTEngine.load([unplugged.address, other.address], {
      bundle,
      log: ({ message }) => log.push(message),
      remote: { timeoutMs: 200 },
    });
    // It goes on holding the dead connection.
    await using _idle = await TFTEngine.load(unplugged.address, { bundle });
    unplugged.unplug();
    for (let request = 0; request < 4; request++) expect(await failure(engine)).toBeUndefined();
    await until(() => log.some((message) => message.endsWith('is in use again')));
    expect(log).toContainEqual(expect.stringMatching(/is out of use: .*no response within 200 ms$/));
    expect(engine.counters()).toMatchObject({ succeeded: 4, failed: 0, retries: 1 });
  });

  test.each([
    ['RESOURCE_EXHAUSTED', 2],
    ['UNAVAILABLE', 2],
    ['INTERNAL', 1],
  ] as const)('of three that answer %s a request asks %i', async (code, count) => {
    let asked = 0;
    const busy = async () =>
      (
        await serve(() => {
          asked++;
          throw new Failure(status[code]);
        })
      ).address;
    await using engine = await TFTEngine.load([await busy(), await busy(), await busy()], { bundle });
    expect(await failure(engine)).toBeDefined();
    expect(asked).toBe(count);
    expect(engine.counters()).toMatchObject({ failed: 1, retries: count - 1 });
  });

  test('one alone whose connection breaks is asked once more', async () => {
    let asked = 0;
    const behind = await serve((request) => {
      asked++;
      if (asked > 1) return honest(request);
      broken.cut();
      return never();
    });
    const broken = await cable(behind.port);
    await using engine = await TFTEngine.load(broken.address, { bundle });
    expect(await failure(engine)).toBeUndefined();
    expect(engine.counters()).toMatchObject({ succeeded: 1, retries: 1 });
  });
});
