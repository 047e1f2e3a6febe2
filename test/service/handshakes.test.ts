// Handshakes of TLS that take longer than they may, and end after all.
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
import { ask } from './running.js';
import { metric, serve } from './serving.js';
import { hasTls, tlsCert, tlsKey } from './transports.js';

/** Passes on what a client says first, and all the rest only when `release` is called. */
async function slowWay(to: string) {
  const pending: (() => void)[] = [];
  let isOpen = false;
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const service = connect(Number(new URL(to).port), '127.0.0.1');
    sockets.push(client, service);
    let isFirst = true;
    client.on('data', (bytes) => {
      const pass = () => service.write(bytes);
      if (isFirst || isOpen) pass();
      else pending.push(pass);
      isFirst = false;
    });
    service.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, service],
      [service, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
  });
  server.listen(0);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `https://127.0.0.1:${port}`,
    release: () => {
      isOpen = true;
      for (const pass of pending.splice(0)) pass();
    },
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe.skipIf(!hasTls).each([
  ['HTTPS', []],
  ['HTTP/2', ['--http2']],
])('%s', (_name, flags) => {
  test('a handshake that ends after its time affects no other client', async () => {
    const served = serve([
      ...['--model', bundles.tiny, '--tls-cert', tlsCert, '--tls-key', tlsKey, ...flags],
      ...['--headers-timeout-ms', '300', '--request-timeout-ms', '600'],
    ]);
    const { address } = await served.says('listening');
    await served.says('ready');
    const url = String(address);
    using way = await slowWay(url);
    const late = [
      // In silence, and with a first request behind its handshake.
      connectTls({ port: Number(new URL(way.url).port), rejectUnauthorized: false, ALPNProtocols: ['h2'] }),
      connectHttp2(way.url, { rejectUnauthorized: false }),
    ];
    const closed = late.map((client) => {
      client.on('error', () => {});
      return new Promise((resolve) => client.once('close', resolve));
    });
    // The service has given up: nothing but the connection that asks is left.
    const release = setTimeout(way.release, 1500);
    await Promise.all(closed);
    clearTimeout(release);
    way.release();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await ask(`${url}/v2/health/ready`)).status).toBe(200);
    expect(await metric(url, 'tft_http_connections')).toBe(1);
    served.child.kill('SIGTERM');
    expect(await served.ended).toBe(0);
  });
});
