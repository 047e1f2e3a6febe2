// Settings: where they come from, which wins, and what a mistake in them says.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig, settings } from '../../src/service/index.js';
import { tft } from '../cli/tft.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-config-'));

function fileOf(content: object | string): string {
  const path = join(folder, 'serve.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

test('a flag wins over the environment, that over the file, that over the default', () => {
  const file = fileOf({ model: 'mine', port: 1, maxServers: 11, queueLimit: 12 });
  const environment = {
    TFT_SERVE_PORT: '2',
    TFT_SERVE_MAX_SERVERS: '21',
    TFT_SERVE_API_KEYS: ' a-key-of-16-chars, another-16-chars ',
  };
  const config = readConfig({ flags: { port: '3', openMetrics: true }, environment, file });
  expect(config).toMatchObject({
    port: 3,
    maxServers: 21,
    queueLimit: 12,
    maxWaitMs: 5000,
    openMetrics: true,
  });
  expect(config.apiKeys).toEqual(['a-key-of-16-chars', 'another-16-chars']);
  expect(config.model).toBe(join(folder, 'mine'));
});

test.each([
  ['a flag', { flags: { port: 'high' } }, /^port \(from --port\): .*found "high"/],
  [
    'a variable',
    { environment: { TFT_SERVE_QUEUE_LIMIT: '-5' } },
    /^queueLimit \(from TFT_SERVE_QUEUE_LIMIT\): .*found -5/,
  ],
  ['an unknown variable', { environment: { TFT_SERVE_PROT: '1' } }, /TFT_SERVE_PROT is no setting/],
  [
    'a key too short, without showing it',
    { environment: { TFT_SERVE_API_KEYS: 'secret' } },
    /^apiKeys \(from TFT_SERVE_API_KEYS\): a key has 16(?!.*secret)/,
  ],
  [
    'half of a TLS pair',
    { flags: { tlsCert: 'a.pem' } },
    /tlsCert \(from --tls-cert\): tlsCert and tlsKey must be set together/,
  ],
  ['HTTP/2 without TLS', { flags: { http2: true } }, /http2 .*needs tlsCert/],
  ['all the world, without keys', { flags: { host: '0.0.0.0' } }, /^host \(from --host\): .*no API keys/],
  ['a public name, without keys', { flags: { host: 'example.org' } }, /^host/],
])('a mistake in %s names the key and where it came from', (_what, sources, message) => {
  expect(() => readConfig({ defaults: { model: 'a' }, ...sources })).toThrow(message);
});

test('a mistake in the file names the file', () => {
  const file = fileOf({ model: 'a', prot: 1 });
  expect(() => readConfig({ file })).toThrow(`prot (from ${file}): there is no such setting`);
  expect(() => readConfig({ file: fileOf({ model: 'a', port: 'x' }) })).toThrow(
    /^port \(from .*serve.json\)/,
  );
  expect(() => readConfig({ file: fileOf('{') })).toThrow(/cannot be read/);
  expect(() => readConfig({})).toThrow(/^model: /);
});

test('a service may listen with keys, with forcePublic, or on this machine alone', () => {
  const model = 'a';
  const apiKeys = ['a-key-of-16-chars'];
  for (const option of [
    { apiKeys, host: '0.0.0.0' },
    { forcePublic: true, host: '::' },
    { host: '127.0.0.2' },
    { socket: '/tmp/x', host: '0.0.0.0' },
  ]) {
    expect(readConfig({ defaults: { model, ...option } }).model).toBe(model);
  }
});

test.each(['TFT_SERVE', 'TFT_SERVE_METRICS'])(
  'what Kubernetes says of a Service is no setting: %s',
  (name) => {
    const environment = {
      [`${name}_SERVICE_HOST`]: '10.0.0.7',
      [`${name}_SERVICE_PORT`]: '8000',
      [`${name}_SERVICE_PORT_HTTP`]: '8000',
      [`${name}_PORT`]: 'tcp://10.0.0.7:8000',
      [`${name}_PORT_8000_TCP`]: 'tcp://10.0.0.7:8000',
      [`${name}_PORT_8000_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_8000_TCP_PORT`]: '8000',
      [`${name}_PORT_8000_TCP_ADDR`]: '10.0.0.7',
    };
    expect(readConfig({ environment, defaults: { model: 'a' } }).port).toBe(8000);
    expect(() => readConfig({ environment: { ...environment, TFT_SERVE_PROT: '1' } })).toThrow(
      /TFT_SERVE_PROT/,
    );
    // A port of one's own is one still.
    expect(readConfig({ environment: { TFT_SERVE_PORT: '9' }, defaults: { model: 'a' } }).port).toBe(9);
  },
);

test('a file of settings may begin with a byte order mark', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tft-config-')), 'serve.json');
  writeFileSync(file, '\uFEFF{"model": "a", "port": 9}');
  expect(readConfig({ file }).port).toBe(9);
});

test('--print-config prints what is in force, without the keys', async () => {
  const env = { TFT_SERVE_API_KEYS: 'a-key-of-16-chars', TFT_SERVE_COMPRESS: 'false' };
  const { status, stdout } = await tft(
    ['serve', '--port', '9', '--http2', '--print-config', '--tls-cert', 'c', '--tls-key', 'k'],
    { env },
  );
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ port: 9, http2: true, compress: false, apiKeys: ['***'] });
  expect(stdout).not.toContain('a-key-of-16-chars');
});

test('a wrong setting ends the command with one line', async () => {
  const { status, stderr } = await tft(['serve', '--port', '99999']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^tft: port \(from --port\): .* \(ERR_TFT_OPTION\)\n$/);
});

test('the documentation has every setting with its meaning, choices and default', () => {
  const text = readFileSync(new URL('../../docs/service.md', import.meta.url), 'utf8');
  const rows = settings.map(({ key, meaning, choices, fallback }) => {
    const code = (value: unknown) => `\`${String(value)}\``;
    const chosen = choices === undefined ? '' : ` (${choices.map(code).join(', ')})`;
    const hasNone = fallback === undefined || (Array.isArray(fallback) && fallback.length === 0);
    const shown = typeof fallback === 'boolean' ? (fallback ? 'on' : 'off') : hasNone ? '' : code(fallback);
    return `| ${code(key)} | ${meaning}${chosen} | ${shown} |`;
  });
  expect(text).toContain(['| key | meaning | default |', '|---|---|---|', ...rows, ''].join('\n'));
});
