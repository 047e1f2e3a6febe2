// A real Prometheus scrapes the service, with a key, and answers questions about it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { ask, inferJson, running, until } from './running.js';

const KEY = 'key-of-prometheus-1';
const isHere = spawnSync('prometheus', ['--version']).error === undefined;
if (!isHere) console.warn("skipped: Prometheus is not installed (Debian's package prometheus)");

interface Prometheus {
  /** The value of an expression; undefined when there is none yet. */
  value(expression: string): Promise<number | undefined>;
  get(path: string): Promise<Record<string, unknown> | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts Prometheus on a free port with one target. */
async function prometheus(target: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'tft-prometheus-'));
  const port = await freePort();
  const config = {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
    scrape_configs: [
      { job_name: 'tft', authorization: { credentials: KEY }, static_configs: [{ targets: [target] }] },
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

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

test.skipIf(!isHere)('Prometheus scrapes the service and knows how much it has done', async () => {
  await using tiny = await running({ apiKeys: [KEY] });
  await using server = await prometheus(tiny.url.replace('http://', ''));
  const requests = 'nv_inference_request_success{model="tiny",version="1"}';
  const servers = 'nv_inference_count{model="tiny",version="1"}';
  await until(async () => (await server.value(servers)) !== undefined);
  // The service's own warm-up counts too.
  const before = {
    requests: (await server.value(requests)) ?? 0,
    servers: (await server.value(servers)) ?? 0,
  };
  for (let index = 0; index < 3; index++) {
    const body = inferJson(constantInputs(4));
    const { status } = await ask(`${tiny.url}/v2/models/tiny/infer`, { body, headers: { 'x-api-key': KEY } });
    expect(status).toBe(200);
  }
  await until(async () => (await server.value(requests)) === before.requests + 3);
  expect(await server.value(servers)).toBe(before.servers + 12);
  expect(await server.value('up')).toBe(1);
  expect(await server.value('tft_ready')).toBe(1);
  const latency = 'histogram_quantile(0.99, tft_http_request_duration_seconds_bucket{route=~".*infer"})';
  expect(await server.value(latency)).toBeGreaterThan(0);
  const targets = (await server.get('/api/v1/targets'))?.data as {
    activeTargets: { health: string; lastError: string }[];
  };
  expect(targets.activeTargets.map(({ health, lastError }) => [health, lastError])).toEqual([['up', '']]);
});
