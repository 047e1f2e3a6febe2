// A real Prometheus with two hours of node_exporter's metrics: the daemon asks it for the past, forecasts, is scraped back, and
// takes its remote write.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { fleetSchema, overview, previewSources } from '../../src/fleet/index.js';
import { loadModel } from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';
import { ask, until } from '../service/running.js';
import { runningFleet } from './running-fleet.js';

const isHere = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).error === undefined);
if (!isHere) console.warn("skipped: Prometheus is not installed (Debian's package prometheus)");

const children: { child: ChildProcess; folder: string }[] = [];
afterEach(async () => {
  for (const { child, folder } of children.splice(0)) {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Two machines: one a quarter busy, one half. */
const MACHINES = { 'a:9100': 0.25, 'b:9100': 0.5 };

/** The machines' metrics of the past minutes, a sample each minute. */
function recording(now: number, minutes: number): string {
  const families: Record<string, [string, (share: number, seconds: number) => [string, number][]]> = {
    node_cpu_seconds: [
      'counter',
      (share, seconds) => [
        ['_total{instance="@",cpu="0",mode="user"}', share * seconds],
        ['_total{instance="@",cpu="0",mode="idle"}', (1 - share) * seconds],
      ],
    ],
    node_network_receive_bytes: [
      'counter',
      (share, seconds) => [['_total{instance="@",device="eth0"}', 4e6 * share * seconds]],
    ],
    node_load1: ['gauge', (share) => [['{instance="@"}', 8 * share]]],
  };
  const lines: string[] = [];
  for (const [name, [type, of]] of Object.entries(families)) {
    lines.push(`# TYPE ${name} ${type}`);
    for (const [instance, share] of Object.entries(MACHINES)) {
      for (let minute = 0; minute <= minutes; minute++) {
        const time = Math.floor(now / 1000) - (minutes - minute) * 60;
        for (const [labels, value] of of(share, minute * 60)) {
          lines.push(`${name}${labels.replace('@', instance)} ${value} ${time}`);
        }
      }
    }
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function prometheus(now: number, daemon?: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tft-fleet-prometheus-'));
  const port = await freePort();
  writeFileSync(join(folder, 'past.om'), recording(now, 200));
  const made = spawnSync('promtool', [
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    join(folder, 'past.om'),
    join(folder, 'data'),
  ]);
  expect(made.status, String(made.stderr)).toBe(0);
  const target = daemon?.replace('http://', '');
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    scrape_configs: target
      ? [{ job_name: 'tft', honor_labels: true, static_configs: [{ targets: [target] }] }]
      : [],
    remote_write: target ? [{ url: `${daemon}/api/v1/write` }] : [],
    rule_files: [join(folder, 'rules.yml')],
  };
  const rule = { record: 'tft_input:load_average', expr: 'vector(3)', labels: { instance: 'written' } };
  writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'inputs', rules: [rule] }] }));
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  children.push({ child, folder });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await ask(`${url}/-/ready`).catch(() => undefined))?.status === 200);
  return url;
}

test.skipIf(!isHere)(
  'the past is there at once, and forecast; forecasts are scraped back; remote write is taken',
  async () => {
    const now = Date.now();
    const source = await prometheus(now);
    const previews = await previewSources(
      fleetSchema.parse({ prometheus: [source] }),
      await loadModel(bundles.tiny),
    );
    const [preview] = [...previews.values()];
    expect(preview?.servers).toEqual(['a:9100', 'b:9100']);
    expect(preview?.incomplete).toEqual([]);
    expect(preview?.metrics.map(({ metric, values }) => [metric, values?.map(Math.round)])).toEqual([
      ['cpu_user_pct', [25, 50, 50]],
      ['net_in_mb_s', [1, 2, 2]],
      ['load_average', [2, 4, 4]],
    ]);

    await using running = await runningFleet({ prometheus: [source], maxGapMinutes: 15 }, {}, now);
    const found = overview.parse((await ask(`${running.url}/fleet/overview`)).json);
    const rows = new Map(found.servers.map((row) => [row.server, row]));
    expect([...rows.keys()].sort()).toEqual(['a:9100', 'b:9100']);
    expect(rows.get('a:9100')?.state).toBe('ready');
    expect(rows.get('a:9100')?.now).toBeCloseTo(25, 1);
    expect(rows.get('b:9100')?.now).toBeCloseTo(50, 1);
    expect(rows.get('b:9100')?.peak).not.toBeNull();

    const back = await prometheus(now, running.url);
    const query = encodeURIComponent('tft_forecast{server="b:9100",quantile="0.5",horizon="1h"}');
    const value = async () => {
      const answer = (await ask(`${back}/api/v1/query?query=${query}`)).json as {
        data: { result: { value: [number, string] }[] };
      };
      return answer.data.result[0]?.value[1];
    };
    await until(async () => (await value()) !== undefined);
    const place = running.fleet.roster.indexOf('b:9100') as number;
    expect(Number(await value())).toBe(running.fleet.latest.get(place)?.values[3 * 3 + 1]);
    running.clock.set(Date.now());
    await until(() => {
      running.clock.set(Date.now());
      return running.fleet.roster.indexOf('written') !== undefined;
    });
  },
  240_000,
);

test('a Prometheus that does not answer is reported in the status, and nothing waits for it', async () => {
  const port = await freePort();
  await using running = await runningFleet({ prometheus: [`http://user:secret@127.0.0.1:${port}`] });
  const { json } = await ask(`${running.url}/fleet/status`);
  const [source] = (json as { sources: { name: string; errors: number; lastError: string }[] }).sources;
  expect(source).toMatchObject({
    name: `http://127.0.0.1:${port}`,
    lastError: expect.stringContaining('ECONNREFUSED'),
  });
  expect(source?.errors).toBeGreaterThan(0);
  expect(JSON.stringify(json)).not.toContain('secret');
});
