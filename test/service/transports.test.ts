// TLS, HTTP/2, Unix sockets, and clients that others wrote: curl and NVIDIA's tritonclient.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { constantInputs, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { isCpp } from './cpp-server.js';
import { ask, inferBinary, inferJson, predictBody, running } from './running.js';
import { hasTls, tlsCert, tlsKey } from './transports.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-tls-'));
const hasCurl = spawnSync('curl', ['--version']).status === 0;
if (!hasCurl) console.warn('skipped: curl is not installed');
const clients = spawnSync(fileURLToPath(new URL('../../scripts/http-clients', import.meta.url)));
const python = clients.status === 0 ? join(clients.stdout.toString().trim(), 'bin/python') : undefined;
if (python === undefined) console.warn('skipped: tritonclient is not here; scripts/http-clients --fetch');

/** Runs a program while the service goes on. */
function run(
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args);
    const outcome = { status: null as number | null, stdout: '', stderr: '' };
    child.stdout.on('data', (text) => {
      outcome.stdout += text;
    });
    child.stderr.on('data', (text) => {
      outcome.stderr += text;
    });
    child.on('error', reject);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('close', (status) => resolve({ ...outcome, status }));
  });
}

describe.skipIf(!hasTls || isCpp)('TLS', () => {
  const ca = hasTls ? readFileSync(tlsCert) : undefined;

  test('HTTPS', async () => {
    await using service = await running({ tlsCert, tlsKey });
    const status = await new Promise((resolve, reject) => {
      const url = `${service.url}/v2/health/ready`;
      httpsRequest(url, { ca, agent: false }, (answer) => resolve(answer.statusCode))
        .on('error', reject)
        .end();
    });
    expect(service.url).toMatch(/^https:/);
    expect(status).toBe(200);
  });

  test('HTTP/2: several forecasts at once on one connection, and HTTP/1.1 beside it', async () => {
    await using service = await running({ tlsCert, tlsKey, http2: true });
    const session = connect(service.url, ca === undefined ? {} : { ca });
    const asked = [1, 2, 3].map((seed) => variedInputs(seed, seed));
    const answers = await Promise.all(
      asked.map((inputs) => post(session, '/v2/models/tiny/infer', inferJson(inputs))),
    );
    answers.forEach((answer, index) => {
      const inputs = asked[index] ?? constantInputs(1);
      expect((JSON.parse(answer) as { outputs: { data: number[] }[] }).outputs[0]?.data).toEqual(
        Array.from(tinyAnswer(inputs)),
      );
    });
    expect(JSON.parse(await post(session, '/predict', '{'))).toMatchObject({ code: 'ERR_TFT_HTTP_BODY' });
    session.close();
    if (hasCurl) {
      const { stdout } = await run('curl', [
        '-sS',
        '--http1.1',
        '--cacert',
        tlsCert,
        `${service.url}/v2/health/ready`,
      ]);
      expect(stdout).toBe('{"ready":true}');
    }
  });
});

test.skipIf(!hasTls || isCpp).each([true, false])(
  'old ciphers are refused, modern ones taken (HTTP/2: %s)',
  async (http2) => {
    await using service = await running({ tlsCert, tlsKey, http2 });
    const { hostname, port } = new URL(service.url);
    const agree = (options: ConnectionOptions) =>
      new Promise<string>((resolve) => {
        const socket = connectTls(
          { host: hostname, port: Number(port), rejectUnauthorized: false, ...options },
          () => {
            resolve(`${socket.getProtocol()} ${socket.getCipher().name}`);
            socket.destroy();
          },
        );
        socket.on('error', () => resolve('refused'));
      });
    expect(await agree({})).toMatch(/^TLSv1\.3 TLS_/);
    expect(await agree({ maxVersion: 'TLSv1.2' })).toMatch(/^TLSv1\.2 ECDHE-RSA-.*(GCM|POLY1305)/);
    const old = [
      'AES128-SHA',
      'AES256-GCM-SHA384',
      'ECDHE-RSA-AES128-SHA',
      'ECDHE-RSA-AES256-SHA384',
      'DHE-RSA-AES128-GCM-SHA256',
    ];
    for (const ciphers of old)
      expect([ciphers, await agree({ maxVersion: 'TLSv1.2', ciphers })]).toEqual([ciphers, 'refused']);
    const ancient = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await agree(ancient)).toBe('refused');
  },
);

function post(session: ClientHttp2Session, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': path });
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('end', () => resolve(text)).on('error', reject);
    stream.end(body);
  });
}

test('a Unix socket', async () => {
  const socket = join(folder, 'service');
  await using service = await running({ socket });
  expect(service.service.address).toBe(socket);
  const { status } = await ask('http://localhost/v2', { socketPath: socket });
  expect(status).toBe(200);
});

test.skipIf(!hasCurl)('curl: a forecast, compressed both ways, and an expected 100 Continue', async () => {
  await using service = await running();
  const body = JSON.stringify(predictBody(variedInputs(100, 1)));
  const { stdout, stderr } = await run(
    'curl',
    [
      '-sS',
      '--compressed',
      '-H',
      'Expect: 100-continue',
      '-H',
      'Content-Type: application/json',
      '--data-binary',
      '@-',
      `${service.url}/predict`,
    ],
    body,
  );
  expect(stderr).toBe('');
  expect((JSON.parse(stdout) as { predictions: number[][][] }).predictions.flat(2)).toEqual(
    Array.from(tinyAnswer(variedInputs(100, 1))),
  );
});

test.skipIf(python === undefined)(
  "NVIDIA's tritonclient: all that it offers that is offered here",
  async () => {
    await using service = await running({ apiKeys: ['key-of-the-client-1'] });
    const inputs = variedInputs(5, 7);
    const { body, headers } = inferBinary(inputs);
    const tensors = body.subarray(Number(headers['inference-header-content-length']));
    const script = fileURLToPath(new URL('triton_client.py', import.meta.url));
    const { status, stdout, stderr } = await run(
      python ?? '',
      [script, service.url.replace('http://', ''), 'key-of-the-client-1'],
      tensors,
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const found = JSON.parse(stdout) as Record<string, number[]>;
    const expected = Array.from(tinyAnswer(inputs));
    for (const [way, values] of Object.entries(found)) expect([way, values]).toEqual([way, expected]);
    expect(Object.keys(found).length).toBeGreaterThanOrEqual(6);
  },
);
