// A real Alertmanager for tests, where it is installed: Debian's package prometheus-alertmanager.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../fixtures/free-port.js';
import { until } from './running.js';

const PROGRAM = ['prometheus-alertmanager', 'alertmanager'].find(
  (name) => spawnSync(name, ['--version']).error === undefined,
);
export const isAlertmanagerHere = PROGRAM !== undefined;
if (!isAlertmanagerHere) {
  console.warn("skipped: Alertmanager is not installed (Debian's package prometheus-alertmanager)");
}

/** An Alertmanager whose only receiver is `webhook`. */
export async function alertmanager(webhook: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tft-alertmanager-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'config.yml'),
    JSON.stringify({
      route: { receiver: 'us', group_by: ['alertname'], group_wait: '100ms', group_interval: '200ms' },
      receivers: [{ name: 'us', webhook_configs: [{ url: webhook, send_resolved: true }] }],
    }),
  );
  const child: ChildProcess = spawn(
    PROGRAM as string,
    [
      `--config.file=${join(folder, 'config.yml')}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  process.once('exit', () => child.kill());
  let hasEnded = false;
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      hasEnded = true;
      resolve();
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  await until(async () => hasEnded || (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true);
  if (hasEnded) throw new Error('Alertmanager did not start');
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
