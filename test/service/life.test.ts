// From the start to the stop, and new models in between: no request is lost.
import { cpSync, mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundles, constantInputs } from '../fixtures/bundles.js';
import { holdDelay } from '../fixtures/held-delay.js';
import { HOLDABLE, HOLDABLE_OPTIONS, holdRuns } from '../fixtures/held-runs.js';
import { isCpp } from './cpp-server.js';
import { ask, inferJson, running, until } from './running.js';
import { serve } from './serving.js';

test('SIGTERM: running requests are answered, then the process ends with status 0', async () => {
  const served = serve(['--model', bundles.tiny, '--max-batch', '1', '--threads', '1', ...HOLDABLE_OPTIONS]);
  const { address } = await served.says('listening');
  await served.says('ready');
  const release = await served.hold();
  const url = `${String(address)}/v2/models/tiny/infer`;
  const answers = Array.from({ length: 5 }, () => ask(url, { body: inferJson(constantInputs(3)) }));
  // One of the fifteen runs, and the others wait.
  await until(async () => {
    const text = (await ask(`${String(address)}/metrics`)).bytes.toString();
    return Number(/^tft_queue_servers (\d+)/m.exec(text)?.[1]) === 14;
  });
  served.child.kill('SIGTERM');
  await served.says('stopping: requests are finished');
  release();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(await served.ended).toBe(0);
  await expect(ask(url, { body: '' })).rejects.toThrow(/ECONNREFUSED/);
});

// The server in C++ drains by the clock, which a test cannot hold there.
test.skipIf(isCpp)(
  'while it drains it is not ready, but still serves requests, and asks clients to close their connections',
  async () => {
    const drainDelayMs = 86_000_000;
    await using service = await running({ drainDelayMs });
    using drain = holdDelay(drainDelayMs);
    const stopped = service.service.stop();
    const { status, json } = await ask(`${service.url}/v2/health/ready`);
    expect([status, json?.reason]).toEqual([503, 'stopping: the service is stopping']);
    expect((await ask(`${service.url}/v2/health/live`)).status).toBe(200);
    const forecast = await ask(`${service.url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(1)) });
    expect([forecast.status, forecast.headers.connection]).toEqual([200, 'close']);
    drain.end();
    expect(await stopped).toBe(true);
  },
);

test('what is not finished in time is cut off', async () => {
  await using service = await running({ ...HOLDABLE, maxBatch: 1, threads: 1, stopTimeoutMs: 20 });
  using _held = holdRuns();
  const long = ask(`${service.url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(60)) });
  const outcome = long.then(
    ({ status }) => status,
    () => 'cut off',
  );
  await until(async () =>
    (await ask(`${service.url}/metrics`)).bytes.toString().includes('tft_running_batches 1'),
  );
  expect(await service.service.stop()).toBe(false);
  expect(await outcome).toBe('cut off');
});

// Inside a program the service lives on; as a command it ends.
test.skipIf(isCpp)('without a model it lives, is not ready and says why', async () => {
  await using service = await running({ model: '/nowhere/at/all' }, false);
  await expect(service.service.loaded).rejects.toThrow(/no model at/);
  const ready = await ask(`${service.url}/v2/health/ready`);
  expect(ready.status).toBe(503);
  expect(ready.json?.reason).toBe(
    'failed: the model cannot be loaded (ERR_TFT_MODEL_NOT_FOUND); the log says why',
  );
  expect((await ask(`${service.url}/v2/health/live`)).json).toEqual({ live: true });
  const forecast = await ask(`${service.url}/predict`, { body: '{}' });
  expect([forecast.status, forecast.json?.code]).toEqual([503, 'ERR_TFT_HTTP_NOT_READY']);
  expect(forecast.headers['retry-after']).toBe('5');
});

test('without a model the command ends with status 1', async () => {
  const served = serve(['--model', '/nowhere/at/all']);
  expect(await served.ended).toBe(1);
  expect(served.log.some(({ msg }) => msg === 'the model cannot be loaded')).toBe(true);
});

function folderOfVersions(): { folder: string; add(version: number): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tft-versions-'));
  const add = (version: number) => {
    cpSync(bundles.tiny, join(folder, `.${version}`), { recursive: true });
    renameSync(join(folder, `.${version}`), join(folder, String(version)));
  };
  mkdirSync(folder, { recursive: true });
  add(1);
  return { folder, add };
}

test('a new version takes over under load without a lost request, and the metrics keep both', async () => {
  const { folder, add } = folderOfVersions();
  const admin = 'admin-key-0123456789';
  // In worker threads, whose warm-up is counted.
  await using service = await running({ ...HOLDABLE, model: folder, adminKeys: [admin] });
  const url = `${service.url}/v2/models/tiny/infer`;
  const seen: [number, unknown][] = [];
  let over = false;
  const clients = Array.from({ length: 8 }, async () => {
    while (!over) {
      const { status, json } = await ask(url, { body: inferJson(constantInputs(2)) });
      seen.push([status, json?.model_version]);
    }
  });
  await until(() => seen.length > 50);
  for (const version of [2, 3]) {
    add(version);
    const reloaded = await ask(`${service.url}/admin/reload`, { body: '', headers: { 'x-api-key': admin } });
    expect(reloaded.json).toEqual({ model: 'tiny', version: String(version) });
    const before = seen.length;
    await until(() => seen.length > before + 50);
  }
  over = true;
  await Promise.all(clients);
  expect(seen.filter(([status]) => status !== 200)).toEqual([]);
  expect(new Set(seen.map(([, version]) => version))).toEqual(new Set(['1', '2', '3']));
  expect(seen.at(-1)?.[1]).toBe('3');
  await until(() => service.log.filter(({ msg }) => msg === 'closed').length === 2);
  const text = (await ask(`${service.url}/metrics`)).bytes.toString();
  for (const version of ['1', '2', '3']) {
    const count = seen.filter(([, of]) => of === version).length;
    const counted = new RegExp(
      `nv_inference_request_success\\{model="tiny",version="${version}"\\} (\\d+)`,
    ).exec(text);
    // The requests that warm a model up in JavaScript count too.
    expect(Number(counted?.[1])).toBe(count + (isCpp ? 0 : 2));
  }
  expect((await ask(`${service.url}/v2/models/tiny/versions/1`)).status).toBe(404);
});

test('a version that cannot be loaded leaves the old one where it is', async () => {
  const admin = 'admin-key-0123456789';
  const { add, folder: good } = folderOfVersions();
  await using service = await running({ model: good, adminKeys: [admin] });
  mkdirSync(join(good, '7'));
  const reload = () => ask(`${service.url}/admin/reload`, { body: '', headers: { 'x-api-key': admin } });
  const failed = await reload();
  expect([failed.status, failed.json?.code]).toEqual([500, 'ERR_TFT_MODEL_NOT_FOUND']);
  expect((await ask(`${service.url}/v2/health/ready`)).status).toBe(200);
  expect((await ask(`${service.url}/v2/models/tiny`)).json?.versions).toEqual(['1']);
  add(8);
  expect((await reload()).json?.version).toBe('8');
});

test('a storm of reloads is a few loads, and each gets its answer, however long that takes', async () => {
  const admin = 'admin-key-0123456789';
  const headers = { 'x-api-key': admin };
  const { folder, add } = folderOfVersions();
  // Less than the loads take together: no answer may hang on these. (Headers may be late on a busy machine.)
  await using service = await running({
    model: folder,
    adminKeys: [admin],
    requestTimeoutMs: 40,
    maxWaitMs: 1,
  });
  const reload = () => ask(`${service.url}/admin/reload`, { body: '', headers });
  const first = Array.from({ length: 30 }, reload);
  await until(() => service.log.some(({ msg }) => msg === 'the new model serves'));
  add(2);
  const last = await reload();
  // Asked for after the new version was there, so it is that one.
  expect([last.status, last.json?.version]).toEqual([200, '2']);
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual(new Array(30).fill(200));
  const loads = service.log.filter(({ msg }) => msg === 'the new model serves').length;
  expect(loads).toBeLessThanOrEqual(4);
  await Promise.all(Array.from({ length: 100 }, () => service.service.reload()));
  expect(service.log.filter(({ msg }) => msg === 'the new model serves').length).toBeLessThanOrEqual(
    loads + 2,
  );
});

test('a file of keys that is damaged keeps nothing else from being loaded again', async () => {
  const { folder, add } = folderOfVersions();
  const apiKeysFile = join(folder, 'keys');
  writeFileSync(apiKeysFile, 'a-key-0123456789abc\n');
  await using service = await running({ model: folder, apiKeysFile });
  writeFileSync(apiKeysFile, 'short\n');
  add(2);
  await expect(service.service.reload()).rejects.toThrow(/apiKeysFile/);
  const headers = { 'x-api-key': 'a-key-0123456789abc' };
  expect((await ask(`${service.url}/v2/models/tiny`, { headers })).json?.versions).toEqual(['2']);
});

test('SIGTERM ends the process in the time it was given, also while a client is stuck', async () => {
  const served = serve(['--model', bundles.tiny, '--stop-timeout-ms', '200']);
  const { address } = await served.says('listening');
  const { hostname, port } = new URL(String(address));
  const stuck = connect(Number(port), hostname).on('error', () => {});
  stuck.write('POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{');
  await served.says('ready');
  served.child.kill('SIGTERM');
  expect(await served.ended).toBe(1);
  stuck.destroy();
});

test('SIGHUP loads what a link points to by now', async () => {
  const { folder, add } = folderOfVersions();
  add(2);
  const link = join(folder, 'current');
  symlinkSync(join(folder, '1'), link);
  const served = serve(['--model', link]);
  const { address } = await served.says('listening');
  expect((await served.says('ready')).version).toBe('1');
  symlinkSync(join(folder, '2'), `${link}.new`);
  renameSync(`${link}.new`, link);
  served.child.kill('SIGHUP');
  expect((await served.says('the new model serves')).version).toBe('2');
  expect((await ask(`${String(address)}/v2/models/tiny`)).json?.versions).toEqual(['2']);
  served.child.kill('SIGINT');
  expect(await served.ended).toBe(0);
});

test('killed and started again on the same socket, it serves', async () => {
  const socket = join(mkdtempSync(join(tmpdir(), 'tft-socket-')), 's');
  const first = serve(['--model', bundles.tiny, '--socket', socket]);
  await first.says('ready');
  first.child.kill('SIGKILL');
  await first.ended;
  const second = serve(['--model', bundles.tiny, '--socket', socket]);
  await second.says('ready');
  const { status } = await ask('http://localhost/v2/models/tiny/infer', {
    socketPath: socket,
    body: inferJson(constantInputs(1)),
  });
  expect(status).toBe(200);
  const third = serve(['--model', bundles.tiny, '--socket', socket]);
  expect(await third.ended).toBe(1);
});
