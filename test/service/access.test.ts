// Keys: which are needed to forecast and to reload, and which requests need none.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { ask, inferJson, running } from './running.js';

const USER = 'user-key-0123456789';
const ADMIN = 'admin-key-0123456789';

test('with keys, a request without the right one is a 401, and nothing but health is open', async () => {
  await using service = await running({ apiKeys: [USER, 'another-key-0123456'], adminKeys: [ADMIN] });
  const { url } = service;
  const status = async (path: string, headers = {}) => (await ask(`${url}${path}`, { headers })).status;
  for (const path of ['/v2', '/v2/models/tiny', '/metrics', '/docs', '/openapi.json', '/nothing']) {
    expect([path, await status(path)]).toEqual([path, 401]);
    expect(await status(path, { 'x-api-key': `${USER}x` })).toBe(401);
    expect(await status(path, { 'x-api-key': '' })).toBe(401);
  }
  expect(await status('/v2/health/live')).toBe(200);
  expect(await status('/v2/health/ready')).toBe(200);
  for (const headers of [
    { 'x-api-key': USER },
    { 'x-api-key': ADMIN },
    { authorization: `Bearer ${USER}` },
  ]) {
    expect(await status('/v2', headers)).toBe(200);
  }
  const refused = await ask(`${url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(1)) });
  expect(refused.json).toMatchObject({
    code: 'ERR_TFT_HTTP_KEY',
    error: expect.stringContaining('X-API-Key'),
  });
  expect(refused.headers['www-authenticate']).toBe('Bearer');
});

test('reloading takes an administrator key, also where forecasting takes none', async () => {
  await using open = await running();
  expect((await ask(`${open.url}/admin/reload`, { body: '' })).json?.code).toBe('ERR_TFT_HTTP_FORBIDDEN');
  await using closed = await running({ apiKeys: [USER], adminKeys: [ADMIN] });
  const reload = (key?: string) =>
    ask(`${closed.url}/admin/reload`, { body: '', headers: key === undefined ? {} : { 'x-api-key': key } });
  expect((await reload()).status).toBe(401);
  expect((await reload(USER)).json?.code).toBe('ERR_TFT_HTTP_FORBIDDEN');
  expect((await reload(ADMIN)).json).toEqual({ model: 'tiny', version: '1' });
});

test('metrics may be left open', async () => {
  await using service = await running({ apiKeys: [USER], openMetrics: true });
  expect((await ask(`${service.url}/metrics`)).status).toBe(200);
});

test('keys come from a file, and a changed file counts after a reload', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tft-keys-')), 'keys');
  writeFileSync(file, `# the first\n${USER}\n`);
  await using service = await running({ apiKeysFile: file });
  const status = async (key: string) =>
    (await ask(`${service.url}/v2`, { headers: { 'x-api-key': key } })).status;
  expect([await status(USER), await status(ADMIN)]).toEqual([200, 401]);
  writeFileSync(file, `${ADMIN}\n`);
  await service.service.reload();
  expect([await status(USER), await status(ADMIN)]).toEqual([401, 200]);
  writeFileSync(file, 'short\n');
  await expect(service.service.reload()).rejects.toThrow(/apiKeysFile: key 1 .* 16 to 256 characters/);
  expect(await status(ADMIN)).toBe(200);
});
