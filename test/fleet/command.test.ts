// The real commands: `tft fleet` and `tft simulate` in processes of their own, and the daemon killed while records come in.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { TFT, TINY, tft } from '../cli/tft.js';
import { ask, until } from '../service/running.js';

const KILLS = fileURLToPath(new URL('../../scripts/check-fleet-kills', import.meta.url));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

test('simulated servers send, and the daemon has them; a signal ends it', async () => {
  const child = spawn(process.execPath, [TFT, 'fleet', '--model', TINY, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let log = '';
  child.stdout.on('data', (text: Buffer) => {
    log += text.toString();
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(() => log.includes('the daemon forecasts'));
  const [, url = ''] = /"address":"([^"]+)"/.exec(log) ?? [];
  const sent = await tft([
    'simulate',
    '--url',
    url,
    '--model',
    TINY,
    '--servers',
    '7',
    '--every',
    '0',
    '--past',
    '2',
    '--seconds',
    '6',
    '--json',
  ]);
  expect(sent.stderr).not.toContain('Error');
  expect(JSON.parse(sent.stdout)).toMatchObject({ failed: 0, refused: 0 });
  expect((await ask(`${url}/fleet/overview`)).json).toMatchObject({ counts: { servers: 7 } });
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('what was accepted is there after kill -9', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [KILLS, '--times', '2', '--seed', '7']);
  expect(stdout).toMatch(/2 kills, \d+ accepted records, none lost/);
});

test('a mistake in a setting ends the command with one line', async () => {
  const { status, stderr } = await tft(['fleet', '--shard', 'all']);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^tft: shard \(from --shard\): a part of a whole, such as 2\/8, found "all" \(ERR_TFT_OPTION\)\n$/,
  );
});

test('--print-config and --help show the settings, and no password, token or header', async () => {
  const shown = await tft([
    'fleet',
    '--print-config',
    '--prometheus',
    'http://user:secret-1@localhost:9090,http://other:9090',
    '--remote-write-to',
    'http://user:secret-2@localhost/push',
    '--remote-write-to-headers',
    '{"x-key":"secret-3"}',
  ]);
  expect(shown.status).toBe(0);
  expect(JSON.parse(shown.stdout)).toMatchObject({
    prometheus: ['http://***@localhost:9090', 'http://other:9090'],
    remoteWriteTo: ['http://***@localhost/push'],
    remoteWriteToHeaders: { 'x-key': '***' },
  });
  expect(shown.stdout).not.toContain('secret');
  const help = (await tft(['fleet', '--help'])).stdout.replace(/\s+/g, ' ');
  expect(help).toContain('(default: {"__name__":"tft_forecast"');
  expect(help).not.toContain('[object');
  expect(help).not.toContain('(default: )');
});
