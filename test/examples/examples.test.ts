// The code of the README and examples/ runs unchanged: their `tft-tensorrt` is this package.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import ts from 'typescript';
import { afterEach, describe, expect, test } from 'vitest';
import { forecastSchema } from '../../src/forecast-schema.js';
import { readHistory, TFTEngine } from '../../src/index.js';
import { TFT } from '../cli/tft.js';
import { freePort } from '../fixtures/free-port.js';
import { until } from '../service/running.js';
import { serve } from '../service/serving.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the package, so that its own name is known there; git ignores it. */
const scratch = join(root, 'build/examples');
const sample = readFileSync(join(root, 'models/demo/history.csv.gz'));

async function run(file: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, ...args], { cwd: root });
  expect(stderr).toBe('');
  return stdout.trim();
}

function written(name: string, code: string): string {
  mkdirSync(scratch, { recursive: true });
  writeFileSync(join(scratch, name), code);
  return join(scratch, name);
}

const near = (values: Iterable<number>) => Array.from(values, (value) => expect.closeTo(value, 3));
const numberOr = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : text);

/** Where uv is; undefined where it, or Python, cannot be had. */
const uv = spawnSync(join(root, 'scripts/find-uv'), { encoding: 'utf8' }).stdout.trim() || undefined;
if (!uv) console.warn('the example in Python is skipped: scripts/find-uv finds no uv');

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

/** Starts a service on any free port. @returns its URL, and what stops it and gives its exit status. */
async function served(file: string): Promise<{ url: string; stop: () => Promise<number | null> }> {
  const started = spawn(process.execPath, [file, '0'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  child = started;
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    started.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const [found] = /http:\/\/\S+/.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`it ended: ${text}`)));
  });
  return {
    url,
    stop: () => {
      started.kill('SIGTERM');
      return ended;
    },
  };
}

test("the README's main sample", async () => {
  const [, code = ''] =
    /## In a service\s+```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const lines = (await run(written('readme.mjs', code))).split('\n');
  expect(lines).toHaveLength(20);
  expect(lines[0]).toMatch(/^sim-\S+ now [\d.]+ in an hour up to [\d.]+ at 2026-02-02T08:55:00\.000Z$/);
});

test('csv.mjs forecasts the sample history, and a file of its own', async () => {
  const lines = (await run('examples/csv.mjs')).split('\n');
  expect(lines).toHaveLength(20);
  expect(lines[0]).toMatch(
    /cpu_user_pct is [\d.]+ % now, and at 2026-02-02T15:55:00.000Z with a chance of 80 % between/,
  );
  const text = gunzipSync(sample).toString().split('\n');
  const few = text.filter((line, index) => index === 0 || line.includes('sim-web-api-002')).join('\n');
  expect(await run('examples/csv.mjs', written('own.csv', few))).toMatch(/^sim-web-api-002: [^\n]*$/);
});

test('the sample of docs/remote.md, with `tft serve`', async () => {
  const [, sample = ''] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'docs/remote.md'), 'utf8')) ?? [];
  const server = serve(['--model', 'demo']);
  const { address } = await server.says('listening');
  await server.says('ready');
  const code = sample.replace('localhost:8000', new URL(String(address)).host);
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  expect(await run(written('remote.mjs', outputText))).toBe('kserve [ 3, 96, 7 ]');
  // A program that does not close its engine ends too.
  const unclosed = code.replace('await using', 'const');
  expect(await run(written('remote-unclosed.mjs', unclosed))).toBe('kserve [ 3, 96, 7 ]');
});

test('typescript.ts has right types and runs', async () => {
  const path = join(root, 'examples/typescript.ts');
  const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  expect(await run(written('typescript.mjs', outputText))).toMatch(
    /^web-1 in an hour: [\d.]+ %\nweb-2, the most .*: [\d.]+$/,
  );
});

test('worker-threads.mjs forecasts in a worker', async () => {
  expect((await run('examples/worker-threads.mjs')).split('\n')).toHaveLength(20);
});

describe('a service of one’s own', () => {
  test('fastify.mjs: measurements in, forecasts out, metrics, errors with a code', async () => {
    const { url, stop } = await served('examples/fastify.mjs');
    expect(await (await fetch(`${url}/model`)).json()).toMatchObject({
      model: 'demo',
      target: 'cpu_user_pct',
    });
    const post = (body: string | Uint8Array<ArrayBuffer>, type: string, more = {}) =>
      fetch(`${url}/forecast`, { method: 'POST', body, headers: { 'content-type': type, ...more } });
    const packed = await post(new Uint8Array(sample), 'text/csv', { 'content-encoding': 'gzip' });
    expect(packed.status).toBe(200);
    expect(forecastSchema.parse(await packed.json()).forecasts).toHaveLength(20);
    const wrong = await post('[{"server":"a"}]', 'application/json');
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({
      code: 'ERR_TFT_HISTORY_COLUMN',
      error: expect.stringContaining('server_name'),
    });
    expect((await post(new Uint8Array([1, 2]), 'text/csv', { 'content-encoding': 'gzip' })).status).toBe(400);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(
      /^nv_inference_count\{model="demo",version="1"\} 20$/m,
    );
    expect(await stop()).toBe(0);
  });

  test('express.mjs: rows as they come, then forecasts of all', async () => {
    const { url, stop } = await served('examples/express.mjs');
    await using engine = await TFTEngine.load('demo');
    const [header = '', ...lines] = gunzipSync(sample).toString().trim().split('\n');
    const names = header.split(',');
    const rows = lines
      .filter((line) => line.includes('sim-web-api-002'))
      .map((line) => {
        const row = Object.fromEntries(line.split(',').map((text, index) => [names[index], text]));
        const metrics = Object.fromEntries(engine.model.metrics.map(({ name }) => [name, Number(row[name])]));
        const { timestamp, server_name, profile, status } = row;
        return { timestamp, server_name, profile, status, metrics };
      });
    const post = (body: unknown) =>
      fetch(`${url}/measurements`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
    expect((await post(rows)).status).toBe(204);
    const wrong = await post([rows[0], { ...rows[1], server_name: '' }]);
    expect(await wrong.json()).toMatchObject({
      code: 'ERR_TFT_HISTORY_VALUE',
      error: expect.stringMatching(/^rows\[1\]/),
    });
    const answer = forecastSchema.parse(await (await fetch(`${url}/forecasts`)).json());
    expect(answer.forecasts.map(({ server }) => server)).toEqual(['sim-web-api-002']);
    expect(await stop()).toBe(0);
  });
});

describe.skipIf(!uv)('a daemon in Python', () => {
  test('fastapi_daemon.py: records in, forecasts of `tft serve` over a Unix socket out', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-socket-'));
    const socket = join(folder, 'tft.sock');
    const port = await freePort();
    const service = spawn(process.execPath, [TFT, 'serve', '--model', 'demo', '--socket', socket], {
      stdio: 'ignore',
    });
    const program = [
      'run',
      '--quiet',
      '--script',
      'examples/fastapi_daemon.py',
      socket,
      '--port',
      String(port),
    ];
    // A group of its own: uv starts Python.
    const daemon = spawn(uv as string, program, {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    const url = `http://127.0.0.1:${port}`;
    const current = () => fetch(`${url}/predictions/current`);
    try {
      await until(async () => (await fetch(`${url}/openapi.json`).catch(() => undefined))?.status === 200);
      expect((await current()).status).toBe(404);
      const names = ['sim-web-api-002', 'sim-web-api-009'];
      const [header = '', ...lines] = gunzipSync(sample).toString().trim().split('\n');
      const columns = header.split(',');
      const records = lines
        .map((line) =>
          Object.fromEntries(line.split(',').map((text, index) => [columns[index] as string, text])),
        )
        .filter(({ server_name }) => names.includes(server_name as string))
        .map((row) => Object.fromEntries(Object.entries(row).map(([name, text]) => [name, numberOr(text)])));
      const fed = await fetch(`${url}/feed/data`, {
        method: 'POST',
        body: JSON.stringify({ records }),
        headers: { 'content-type': 'application/json' },
      });
      expect(await fed.json()).toEqual({ accepted: records.length });
      await until(async () => (await current()).status === 200);
      const { predictions, refused } = (await (await current()).json()) as {
        predictions: Record<string, { p50: number[]; p90: number[] }>;
        refused: unknown[];
      };
      expect(refused).toEqual([]);
      await using engine = await TFTEngine.load('demo');
      const history = await readHistory(join(root, 'models/demo/history.csv.gz'), engine.model);
      const own = await engine.forecast(history, { servers: names });
      for (const name of names) {
        const forecast = own.series(name);
        expect(predictions[name]?.p50).toEqual(near(forecast.quantile(0.5)));
        expect(predictions[name]?.p90).toEqual(near(forecast.quantile(0.9)));
      }
      service.kill('SIGKILL');
      await once(service, 'exit');
      const failed = await current();
      expect(failed.status).toBe(503);
      expect(await failed.text()).toContain(`tft serve does not answer at ${socket}`);
    } finally {
      service.kill('SIGKILL');
      if (daemon.pid) process.kill(-daemon.pid, 'SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});

test('prometheus.mjs asks Prometheus and forecasts its instances', async () => {
  const queries: string[] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const [query = '', start, end, step] = ['query', 'start', 'end', 'step'].map(
      (name) => searchParams.get(name) ?? '',
    );
    queries.push(query);
    const values: [number, string][] = [];
    for (let time = Number(start); time <= Number(end); time += Number(step)) values.push([time, '12.5']);
    const instances = query.includes('Swap') ? [] : ['a:9100', 'b:9100'];
    const result = instances.map((instance) => ({ metric: { instance }, values }));
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['examples/prometheus.mjs', `http://127.0.0.1:${port}`],
    {
      cwd: root,
    },
  );
  server.close();
  expect(queries.length).toBeGreaterThan(8);
  expect(stdout).toMatch(/^a:9100: 12\.5 % now, up to [\d.]+ % in the next 8 hours\nb:9100: /);
});
