// What must hold on every way to reach the service: a request may come in any pieces, a client may leave at any step,
// the slow are cut off, and a stop ends with all of them.
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { HEADER, lines } from '../cli/tft.js';
import { tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { HOLDABLE, holdRuns } from '../fixtures/held-runs.js';
import { isCpp } from './cpp-server.js';
import { comeToRest, inferBinary, inferJson, predictBody, running, until } from './running.js';
import { type Message, type Reply, send, session, textOf, transports } from './transports.js';

const inputs = variedInputs(2, 3);
const expected = Array.from(tinyAnswer(inputs));
const json = Buffer.from(inferJson(inputs));
const binary = inferBinary(inputs);
const csv = Buffer.from(HEADER + lines('a', 0, 5) + lines('b', 0, 5));
const INFER = '/v2/models/tiny/infer';
const ROWS: Message = {
  method: 'POST',
  path: '/forecast',
  body: csv,
  headers: { 'content-type': 'text/csv' },
};
const MESSAGES: readonly (readonly [string, Message])[] = [
  ['a probe', { method: 'GET', path: '/v2/health/ready' }],
  ['a forecast in JSON', { method: 'POST', path: INFER, body: json }],
  ['a forecast in bytes', { method: 'POST', path: INFER, ...binary }],
  [
    'a packed forecast',
    { method: 'POST', path: INFER, body: gzipSync(json), headers: { 'content-encoding': 'gzip' } },
  ],
  [
    'a forecast by the plain path',
    { method: 'POST', path: '/predict', body: Buffer.from(JSON.stringify(predictBody(inputs))) },
  ],
  // The server in C++ does not have /forecast.
  ...(isCpp ? [] : [['a forecast of measurements', ROWS] as const]),
];
/** Answered before its body has come. */
const REFUSED: Message = { method: 'POST', path: '/nowhere', body: json };

function isRight({ status, body }: Reply, { path }: Message): void {
  const answer = JSON.parse(body) as Record<string, unknown>;
  expect(status).toBe(200);
  if (path === '/v2/health/ready') expect(answer).toEqual({ ready: true });
  else if (path === INFER) expect((answer.outputs as { data: number[] }[])[0]?.data).toEqual(expected);
  else if (path === '/predict') expect((answer.predictions as number[]).flat(3)).toEqual(expected);
  else if (path === '/forecast')
    expect((answer.forecasts as { server: string }[]).map(({ server }) => server)).toEqual(['a', 'b']);
}

describe.each(transports)('$name', (transport) => {
  test('a request may come byte by byte, and in chunks of one byte', async () => {
    await using service = await running(transport.overrides());
    for (const [, message] of MESSAGES) {
      for (const cut of [{ bytes: 1 }, { bytes: 1_000_000, chunk: 1 }, { bytes: 7, chunk: 3 }]) {
        isRight(await send(transport, service.url, message, cut), message);
      }
    }
  });

  test('a client may leave at any step, and nothing of its request stays', async () => {
    await using service = await running({ ...transport.overrides(), maxServers: 4000 });
    // Large enough to be packed for a while.
    const large = variedInputs(2000, 1);
    const message = {
      method: 'POST',
      path: INFER,
      body: Buffer.from(inferJson(large)),
      headers: { 'accept-encoding': 'br' },
    };
    const leavers: Promise<void>[] = [];
    for (const { body = Buffer.alloc(0), ...rest } of [...MESSAGES.map(([, message]) => message), REFUSED]) {
      for (const share of [0, 0.01, 0.5, 0.99, 1]) {
        for (const delay of share === 1 ? [0, 1, 3, 10] : [0, 4])
          leavers.push(leave({ ...rest, body }, share, delay));
      }
      await Promise.all(leavers);
    }
    for (const share of [0, 0.001, 0.3, 0.999, 1]) {
      for (let step = 0; step < (share === 1 ? 60 : 2); step++) {
        leavers.push(leave(message, share, step * 4));
        if (leavers.length % 8 === 0) await Promise.all(leavers);
      }
    }
    await Promise.all(leavers);
    await comeToRest(service.url, service.config);
    const [, probe] = MESSAGES[1] as (typeof MESSAGES)[number];
    isRight(await send(transport, service.url, probe, { bytes: 1_000_000 }), probe);

    /** Sends a share of the message, waits some milliseconds, and breaks the connection. */
    async function leave({ body, ...rest }: Message & { body: Buffer }, share: number, delay: number) {
      const wait = () => new Promise((resolve) => setTimeout(resolve, delay));
      if (transport.isText) {
        const socket = transport.connect(service.url);
        socket.on('error', () => {}).on('data', () => {});
        const wire = textOf({ ...rest, body });
        await once(socket, transport.isTls ? 'secureConnect' : 'connect');
        await new Promise((resolve) =>
          socket.write(wire.subarray(0, Math.ceil(share * wire.length)), resolve),
        );
        await wait();
        socket.destroy();
      } else {
        const client = session(service.url);
        const stream = client.request({ ':method': rest.method, ':path': rest.path, ...rest.headers });
        stream.on('error', () => {}).on('data', () => {});
        await new Promise((resolve) =>
          stream.write(body.subarray(0, Math.ceil(share * body.length)), resolve),
        );
        if (share === 1) stream.end();
        await wait();
        if (delay % 8 === 0) stream.close();
        client.destroy();
      }
    }
  });

  test.skipIf(!transport.isText)(
    'requests sent ahead on one connection leave nothing when it breaks',
    async () => {
      await using service = await running({ ...transport.overrides(), maxServers: 4000 });
      const one = textOf({ method: 'POST', path: INFER, body: Buffer.from(inferJson(variedInputs(500, 1))) });
      const ahead = Buffer.from(one.toString('latin1').replace('Connection: close\r\n', ''), 'latin1');
      for (const delay of [0, 10, 20, 40]) {
        const socket = transport.connect(service.url);
        socket.on('error', () => {});
        await new Promise((resolve) => socket.write(Buffer.concat(new Array(5).fill(ahead)), resolve));
        await new Promise((resolve) => setTimeout(resolve, delay));
        socket.destroy();
      }
      await comeToRest(service.url, service.config);
    },
  );

  // Whether the server in C++ keeps such a connection is its own affair.
  test.skipIf(isCpp)(
    'a forecast that cannot run in time is refused when its headers have come, and its connection goes on',
    async () => {
      await using service = await running({
        ...transport.overrides(),
        ...HOLDABLE,
        maxBatch: 1,
        threads: 1,
        queueLimit: 1,
        maxWaitMs: 600_000,
      });
      const [, forecast] = MESSAGES[1] as (typeof MESSAGES)[number];
      const [, probe] = MESSAGES[0] as (typeof MESSAGES)[number];
      using held = holdRuns();
      const first = send(transport, service.url, forecast, { bytes: 1_000_000 });
      await until(async () => {
        const metrics = { method: 'GET', path: '/metrics' };
        const { body } = await send(transport, service.url, metrics, { bytes: 1_000_000 });
        return /^tft_queue_servers 1$/m.test(body);
      });
      // A look at the queue is believed for some milliseconds; more of them do no harm.
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (transport.isText) {
        const wire = textOf(forecast).toString('latin1').replace('Connection: close\r\n', '');
        const bodyAt = wire.indexOf('\r\n\r\n') + 4;
        const socket = transport.connect(service.url);
        let text = '';
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
        });
        socket.write(wire.slice(0, bodyAt), 'latin1');
        await until(() => text.endsWith('}'));
        expect(text).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: \d+\r\n.*ERR_TFT_HTTP_OVERLOADED/is);
        text = '';
        socket.write(wire.slice(bodyAt), 'latin1');
        socket.write(textOf({ ...probe, path: '/v2/health/live' }));
        await once(socket, 'close');
        expect(text).toMatch(/^HTTP\/1\.1 200 /);
      } else {
        const client = session(service.url);
        const stream = client.request({ ':method': 'POST', ':path': INFER }, { endStream: false });
        const [head] = await once(stream, 'response');
        expect(head[':status']).toBe(503);
        expect(Number(head['retry-after'])).toBeGreaterThanOrEqual(1);
        stream.resume().end(json);
        const next = client.request({ ':path': '/v2/health/live' }).resume();
        const [second] = await once(next, 'response');
        expect(second[':status']).toBe(200);
        await once(next, 'end');
        client.close();
      }
      held.release();
      isRight(await first, forecast);
    },
  );

  test('a client that is slow to send its request is disconnected', async () => {
    await using service = await running({
      ...transport.overrides(),
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      keepAliveTimeoutMs: 300,
      maxWaitMs: 100,
    });
    const silent = transport.connect(service.url);
    silent.on('error', () => {}).resume();
    const dripping = transport.connect(service.url);
    dripping.on('error', () => {}).resume();
    const wire = transport.isText
      ? textOf({ method: 'GET', path: '/v2', headers: { 'x-a': 'b'.repeat(9000) } })
      : undefined;
    // A beginning of HTTP/2, and then the frame of a PING without end.
    const begin = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    let at = 0;
    const drip = setInterval(() => {
      const bytes = wire ?? begin;
      dripping.write(bytes.subarray(at, at + 1));
      if (at < bytes.length - 1) at++;
    }, 50);
    // The service looks for the slow once a second.
    await Promise.all(
      [silent, dripping].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    clearInterval(drip);
  });

  test('a stop ends in time, whatever clients are connected', async () => {
    await using service = await running({ ...transport.overrides(), stopTimeoutMs: 400 });
    const address = service.url;
    const open = [
      // Never says a thing.
      transport.connect(address),
      // In the middle of its headers, or of what HTTP/2 begins with.
      transport.connect(address),
    ];
    open[1]?.write(transport.isText ? 'GET /v2 HT' : 'PRI * HT');
    if (transport.isText) {
      const text = textOf({ method: 'POST', path: INFER, body: json }).toString('latin1');
      const stuck = transport.connect(address);
      stuck.write(text.slice(0, -100), 'latin1');
      const idle = transport.connect(address);
      idle.write('GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(idle, 'data');
      open.push(stuck, idle);
    } else {
      const client = session(address);
      const stuck = client.request({ ':method': 'POST', ':path': INFER });
      stuck.on('error', () => {});
      stuck.write('{');
      const idle = session(address);
      const probe = idle.request({ ':path': '/v2' }).resume();
      await once(probe, 'end');
    }
    for (const socket of open) socket.on('error', () => {});
    await until(() => service.service.connections >= 4);
    const outcome = await service.service.stop();
    expect(outcome).toBe(false);
    // No client is left; the end of the test looks for handles.
    await until(() => service.service.connections === 0);
    for (const socket of open) socket.destroy();
  });

  test('a stop with none but idle clients waits for nothing', async () => {
    await using service = await running({
      ...transport.overrides(),
      stopTimeoutMs: 60_000,
      keepAliveTimeoutMs: 60_000,
    });
    if (transport.isText) {
      const idle = transport.connect(service.url);
      idle.write('GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(idle, 'data');
    } else {
      const idle = session(service.url);
      await once(idle.request({ ':path': '/v2' }).resume(), 'end');
    }
    expect(await service.service.stop()).toBe(true);
  });
});
