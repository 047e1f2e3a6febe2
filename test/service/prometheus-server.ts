// A real Prometheus for tests, where it is installed: Debian's package prometheus.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../fixtures/free-port.js';
import { ask } from './running.js';

export const KEY_OF_PROMETHEUS = 'key-of-prometheus-1';
export const isPrometheusHere = spawnSync('prometheus', ['--version']).error === undefined;
if (!isPrometheusHere) console.warn("skipped: Prometheus is not installed (Debian's package prometheus)");

export interface Prometheus {
  /** The value of an expression; undefined when there is none yet. */
  value(expression: string): Promise<number | undefined>;
  get(path: string): Promise<Record<string, unknown> | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts Prometheus on a free port with one target, whose series get these labels. */
export async function prometheus(
  target: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'tft-prometheus-'));
  const port = await freePort();
  const config = {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
    scrape_configs: [
      {
        job_name: 'tft',
        authorization: { credentials: KEY_OF_PROMETHEUS },
        static_configs: [{ targets: [target], labels }],
      },
    ],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child: ChildProcess = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  // Nothing is left behind when the test runs out of time.
  process.once('exit', () => child.kill());
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const get = async (path: string) => {
    const answer = await ask(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    return answer?.status === 200 ? answer.json : undefined;
  };
  return {
    get,
    async value(expression) {
      const found = await get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      const { result } = (found?.data ?? { result: [] }) as { result: { value: [number, string] }[] };
      return result[0] === undefined ? undefined : Number(result[0].value[1]);
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
