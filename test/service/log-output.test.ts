// A log that cannot be written loses lines and counts them; forecasts, and the end of the process, do not wait for it.
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { TFT } from '../cli/tft.js';
import { bundles, constantInputs } from '../fixtures/bundles.js';
import { isCpp, spawnCpp } from './cpp-server.js';
import { ask, inferJson, until } from './running.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** The command with standard output as given. The log cannot say where it listens; a socket's path is known before. */
function serve(stdout: number | 'pipe', args: readonly string[] = []) {
  const socketPath = join(mkdtempSync(join(tmpdir(), 'tft-log-')), 's');
  const flags = ['--model', bundles.tiny, '--socket', socketPath, '--access-log', ...args];
  const stdio: StdioOptions = ['ignore', stdout, 'pipe'];
  const child = isCpp
    ? spawnCpp(flags, {}, stdio)
    : spawn(process.execPath, [TFT, 'serve', ...flags], { stdio });
  children.push(child);
  let stderr = '';
  child.stderr?.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const get = (path: string) => ask(`http://localhost${path}`, { socketPath });
  const ready = () =>
    until(async () => (await get('/v2/health/ready').catch(() => undefined))?.status === 200);
  const forecast = () =>
    ask('http://localhost/v2/models/tiny/infer', { socketPath, body: inferJson(constantInputs(1)) });
  const dropped = async () =>
    Number(/^tft_log_lines_dropped_total (\d+)$/m.exec((await get('/metrics')).bytes.toString())?.[1]);
  return { child, ended, ready, forecast, dropped, stderr: () => stderr };
}

test.skipIf(process.platform !== 'linux')('a full disk', async () => {
  const full = openSync('/dev/full', 'w');
  const served = serve(full);
  closeSync(full);
  await served.ready();
  for (let index = 0; index < 20; index++) expect((await served.forecast()).status).toBe(200);
  expect(await served.dropped()).toBeGreaterThan(20);
  served.child.kill('SIGTERM');
  expect(await served.ended).toBe(0);
  expect(served.stderr()).toBe('');
});

test('a reader that is stuck', async () => {
  const served = serve('pipe', ['--log-level', 'trace']);
  // The pipe is not read.
  served.child.stdout?.pause();
  await served.ready();
  // More than the pipe and what waits before it hold.
  while (!((await served.dropped()) > 0)) {
    const answers = await Promise.all(Array.from({ length: 200 }, () => served.forecast()));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  }
  served.child.kill('SIGTERM');
  expect(await served.ended).toBe(0);
});

test('a FIFO without a reader any more', async () => {
  const fifo = join(mkdtempSync(join(tmpdir(), 'tft-fifo-')), 'log');
  if (spawnSync('mkfifo', [fifo]).status !== 0) return;
  // Both ends, so that opening does not wait; then the reading one goes.
  const reader = openSync(fifo, 'r+');
  const writer = openSync(fifo, 'w');
  const served = serve(writer);
  closeSync(writer);
  await served.ready();
  closeSync(reader);
  for (let index = 0; index < 5; index++) expect((await served.forecast()).status).toBe(200);
  await until(async () => (await served.dropped()) > 0);
  served.child.kill('SIGTERM');
  expect(await served.ended).toBe(0);
});

test('a reader that keeps up gets every line', async () => {
  const served = serve('pipe');
  let text = '';
  served.child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await served.ready();
  for (let index = 0; index < 50; index++) expect((await served.forecast()).status).toBe(200);
  expect(await served.dropped()).toBe(0);
  served.child.kill('SIGTERM');
  expect(await served.ended).toBe(0);
  await until(() => text.includes('"stopped"'));
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; route?: string });
  expect(lines.filter(({ route }) => route?.endsWith('/infer')).length).toBe(50);
});
