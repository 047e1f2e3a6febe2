// A real Prometheus with two hours of node_exporter's metrics: the daemon asks it for the past, forecasts, is scraped back, and
// takes its remote write.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fleetSchema, overview, previewSources } from '../../src/fleet/index.js';
import { loadModel } from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';
import { freePort } from '../fixtures/free-port.js';
import { ask, until } from '../service/running.js';
import { runningFleet, STEP } from './running-fleet.js';

const isHere = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).error === undefined);
if (!isHere) console.warn("skipped: Prometheus is not installed (Debian's package prometheus)");

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

/** @param now until when it has the machines' metrics; without it, none. @param daemon what it scrapes and writes to. */
async function prometheus({ now, daemon }: { now?: number; daemon?: string }) {
  const folder = mkdtempSync(join(tmpdir(), 'tft-fleet-prometheus-'));
  const port = await freePort();
  if (now !== undefined) {
    const [past, data] = [join(folder, 'past.om'), join(folder, 'data')];
    writeFileSync(past, recording(now, 200));
    const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', past, data]);
    expect(made.status, String(made.stderr)).toBe(0);
  }
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
      '--web.enable-remote-write-receiver',
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // Nothing is left behind when the test runs out of time.
  process.once('exit', () => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await ask(`${url}/-/ready`).catch(() => undefined))?.status === 200);
  return {
    url,
    /** The value of an expression, now or at a time; undefined where it has none. */
    async value(expression: string, time?: number): Promise<number | undefined> {
      const at = time === undefined ? '' : `&time=${time / 1000}`;
      const answer = (await ask(`${url}/api/v1/query?query=${encodeURIComponent(expression)}${at}`)).json as {
        data: { result: { value: [number, string] }[] };
      };
      const [found] = answer.data.result;
      return found === undefined ? undefined : Number(found.value[1]);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test.skipIf(!isHere)(
  'the past is there at once, and forecast; forecasts are scraped back; remote write is taken',
  async () => {
    const now = Date.now();
    await using source = await prometheus({ now });
    const previews = await previewSources(
      fleetSchema.parse({ prometheus: [source.url] }),
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

    await using running = await runningFleet(
      { prometheus: [source.url], maxGapMinutes: 15, remoteWriteTo: [source.url] },
      {},
      now,
    );
    const found = overview.parse((await ask(`${running.url}/fleet/overview`)).json);
    const rows = new Map(found.servers.map((row) => [row.server, row]));
    expect([...rows.keys()].sort()).toEqual(['a:9100', 'b:9100']);
    expect(rows.get('a:9100')?.state).toBe('ready');
    expect(rows.get('a:9100')?.now).toBeCloseTo(25, 1);
    expect(rows.get('b:9100')?.now).toBeCloseTo(50, 1);
    expect(rows.get('b:9100')?.peak).not.toBeNull();

    const forecast = 'tft_forecast{server="b:9100",quantile="0.5",horizon="1h"}';
    const place = running.fleet.roster.indexOf('b:9100') as number;
    const expected = running.fleet.latest.get(place)?.values[3 * 3 + 1];
    const receiver = () => running.fleet.receivers[0]?.status;
    await until(() => receiver()?.waiting === 0);
    expect(receiver()).toMatchObject({ written: 12, refused: 0, lost: 0, lastError: null });
    expect(await source.value('count(tft_forecast)', now)).toBe(12);
    expect(await source.value(forecast, now)).toBe(expected);
    expect(await source.value(`timestamp(${forecast})`, now)).toBe(now / 1000);

    await using back = await prometheus({ now, daemon: running.url });
    await until(async () => (await back.value(forecast)) !== undefined);
    expect(await back.value(forecast)).toBe(expected);
    running.clock.set(Date.now());
    await until(() => {
      running.clock.set(Date.now());
      return running.fleet.roster.indexOf('written') !== undefined;
    });
  },
  240_000,
);

test.skipIf(!isHere)(
  'series end in a real Prometheus that forecasts are written to, and what it refuses is reported',
  async () => {
    const now = Date.now();
    await using source = await prometheus({});
    const post = ({ url }: { url: string }, time: number) =>
      ask(`${url}/feed/data`, {
        body: JSON.stringify({
          records: [
            {
              timestamp: new Date(time).toISOString(),
              server_name: 'web',
              cpu_user_pct: 20,
              net_in_mb_s: 1,
              load_average: 2,
            },
          ],
        }),
        headers: { 'content-type': 'application/json' },
      });
    const forecast = 'tft_forecast{server="web",quantile="0.5",horizon="15m"}';
    {
      // So early that nothing is in the future.
      const begin = now - 4 * STEP;
      await using running = await runningFleet({ remoteWriteTo: [source.url], maxGapMinutes: 15 }, {}, begin);
      await post(running, begin);
      await running.closeStepOf(begin);
      const receiver = () => running.fleet.receivers[0]?.status;
      await until(() => receiver()?.written === 6);
      const made = running.clock.now();
      expect(await source.value(forecast, made + 1000)).toBeDefined();
      for (const step of [1, 2]) await running.closeStepOf(begin + step * STEP);
      await until(() => receiver()?.written === 18);
      const ended = running.clock.now();
      expect(receiver()).toMatchObject({ refused: 0, lost: 0, lastError: null });
      expect(await source.value(forecast, ended - 1000)).toBeUndefined();
      expect(await source.value(`count_over_time(${forecast}[1h])`, ended)).toBe(2);
      // The end of a series counts before the five minutes for which Prometheus shows an old value.
      expect(await source.value(forecast, ended + 1000)).toBeUndefined();
    }
    const late = now - 86_400_000;
    await using running = await runningFleet({ remoteWriteTo: [source.url] }, {}, late);
    await post(running, late);
    await running.closeStepOf(late);
    await until(() => running.fleet.receivers[0]?.status.refused === 6);
    expect(running.log).toContainEqual(
      expect.objectContaining({
        code: 'ERR_TFT_REMOTE_REFUSED',
        msg: expect.stringMatching(/answered 400: out of (bounds|order)/),
      }),
    );
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
