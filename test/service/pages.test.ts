// Web pages that somebody looks at on the service's own machine: which of them may ask.
import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { ask, inferJson, running } from './running.js';

const INFER = '/v2/models/tiny/infer';
const KEY = 'user-key-0123456789';

test('on this machine without keys, only names of this machine are asked by', async () => {
  await using service = await running({ allowedHosts: ['tft.example'] });
  const status = async (headers: Record<string, string>) =>
    (await ask(service.url + INFER, { headers, body: inferJson(constantInputs(1)) })).status;
  for (const host of [
    'localhost',
    'LOCALHOST:8000',
    '127.0.0.1:80',
    '127.1.2.3',
    '[::1]:8000',
    'a.localhost',
    'tft.example:80',
  ])
    expect([host, await status({ host })]).toEqual([host, 200]);
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1'])
    expect([host, await status({ host })]).toEqual([host, 403]);
  // A page's form needs no other name.
  expect(await status({ origin: 'https://evil.example', 'content-type': 'text/plain' })).toBe(403);
  expect(await status({ origin: 'null' })).toBe(403);
  expect(await status({ origin: 'http://localhost:3000' })).toBe(200);
  const { json } = await ask(service.url, { headers: { host: 'evil.example' } });
  expect(json).toMatchObject({ code: 'ERR_TFT_HTTP_HOST', error: expect.stringContaining('allowedHosts') });
});

test('with keys, on a Unix socket, or with * any name will do', async () => {
  const headers = { host: 'evil.example', 'x-api-key': KEY };
  await using keyed = await running({ apiKeys: [KEY] });
  expect((await ask(`${keyed.url}/v2`, { headers })).status).toBe(200);
  await using any = await running({ allowedHosts: ['*'] });
  expect((await ask(`${any.url}/v2`, { headers })).status).toBe(200);
  const socketPath = join(mkdtempSync(join(tmpdir(), 'tft-private-')), 's');
  await using local = await running({ socket: socketPath });
  expect(local.url).toBe(socketPath);
  expect((await ask('http://localhost/v2', { headers, socketPath })).status).toBe(200);
});

test('pages of origins that are listed may ask and read the answers', async () => {
  const origin = 'https://app.example';
  await using service = await running({ apiKeys: [KEY], corsOrigins: [origin] });
  const asked = await ask(`${service.url}${INFER}`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key',
    },
  });
  expect(asked.status).toBe(204);
  expect(asked.headers).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-allow-headers': expect.stringContaining('x-api-key'),
  });
  const body = inferJson(constantInputs(1));
  const answer = await ask(service.url + INFER, { headers: { origin, 'x-api-key': KEY }, body });
  expect([answer.status, answer.headers['access-control-allow-origin'], answer.headers.vary]).toEqual([
    200,
    origin,
    expect.stringContaining('origin'),
  ]);
  const refused = await ask(service.url + INFER, { headers: { origin }, body });
  expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, origin]);
  const other = await ask(service.url + INFER, {
    headers: { origin: 'https://evil.example', 'x-api-key': KEY },
    body,
  });
  expect(other.headers['access-control-allow-origin']).toBeUndefined();
  await using plain = await running();
  expect((await ask(plain.url + INFER, { method: 'OPTIONS' })).status).toBe(405);
});

test.each([
  [undefined, 0o660],
  ['600', 0o600],
  ['0666', 0o666],
])('a Unix socket with socketMode %s', async (socketMode, mode) => {
  const socket = join(mkdtempSync(join(tmpdir(), 'tft-mode-')), 's');
  await using service = await running({ socket, ...(socketMode === undefined ? {} : { socketMode }) });
  expect(statSync(service.url).mode & 0o777).toBe(mode);
});
