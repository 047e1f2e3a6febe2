// The engine cache as a folder of files: entries that are found, that are not trusted, and that are removed.
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { tryLock } from '../../src/builder/build-lock.js';
import type { BuildTarget } from '../../src/builder/build-target.js';
import { engineFolder } from '../../src/builder/cache-folder.js';
import { listCache, pruneCache } from '../../src/builder/cache-upkeep.js';
import { EngineCache } from '../../src/builder/engine-cache.js';
import { type EngineKey, entryName } from '../../src/builder/engine-record.js';
import { staleness } from '../../src/builder/staleness.js';
import { readTimingCache, timingCacheName, writeTimingCache } from '../../src/builder/timing-cache.js';
import { tft } from '../cli/tft.js';
import { recordOf } from '../fixtures/engine-records.js';

const PLAN = Buffer.from('a plan of TensorRT');
const DAY = 86_400_000;

let root: string;
let cache: EngineCache;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tft-cache-'));
  cache = new EngineCache(engineFolder(root));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Puts an engine in the cache, last used `days` ago; returns its name. */
async function keep(change: Partial<EngineKey> = {}, days = 0, plan: Buffer = PLAN): Promise<string> {
  const record = recordOf(plan, change);
  await cache.publish(record, plan);
  const name = entryName(record.key);
  const time = new Date(Date.now() - days * DAY);
  utimesSync(join(cache.folder, `${name}.json`), time, time);
  return name;
}
const names = () => readdirSync(cache.folder).sort();

test('a relative XDG_CACHE_HOME is passed over: plans of the current folder would run', () => {
  vi.stubEnv('TFT_CACHE', undefined);
  for (const relative of ['cache', './cache', '..']) {
    vi.stubEnv('XDG_CACHE_HOME', relative);
    expect(engineFolder()).toBe(join(homedir(), '.cache', 'tft-tensorrt', 'engines'));
  }
  vi.stubEnv('XDG_CACHE_HOME', root);
  expect(engineFolder()).toBe(join(root, 'tft-tensorrt', 'engines'));
  vi.unstubAllEnvs();
});

describe('an engine in the cache', () => {
  test('is found by its key, and by no other', async () => {
    await keep();
    expect(await cache.find(recordOf(PLAN).key)).toMatchObject({ record: { model: 'tiny' } });
    const others: Partial<EngineKey>[] = [
      { tensorrt: '10.15.1.30' },
      { gpu: 'Double 1' },
      { computeCapability: '10.0' },
      { cuda: 13010 },
      { driver: '590.1' },
      { onnx: 'cd'.repeat(32) },
      { precision: 'fp16' },
      { stronglyTyped: false },
      { profiles: [{ min: 1, opt: 8, max: 33 }] },
      { workspaceBytes: 1 },
      { optimizationLevel: 4 },
      { versionCompatible: true },
      { hardwareCompatibility: 'ampere+' },
      { refittable: true },
      { tf32: true },
      { detailedLayers: false },
      { kernels: `1 ${'ab'.repeat(32)}` },
      { plugins: ['ef'.repeat(32)] },
    ];
    for (const change of others) expect(await cache.find(recordOf(PLAN, change).key)).toBeUndefined();
    expect(Object.keys(recordOf(PLAN).key)).toHaveLength(others.length + 1);
  });

  test.each<[string, (name: string) => void]>([
    ['cut off', (name) => writeFileSync(join(cache.folder, `${name}.engine`), PLAN.subarray(1))],
    [
      'changed in one byte',
      (name) => writeFileSync(join(cache.folder, `${name}.engine`), 'a plan of TensorRU'),
    ],
    ['empty', (name) => writeFileSync(join(cache.folder, `${name}.engine`), '')],
    ['gone', (name) => rmSync(join(cache.folder, `${name}.engine`))],
    ['with half a record', (name) => writeFileSync(join(cache.folder, `${name}.json`), '{"key":')],
    [
      'with a record of another engine',
      (name) =>
        writeFileSync(join(cache.folder, `${name}.json`), JSON.stringify(recordOf(PLAN, { cuda: 1 }))),
    ],
    [
      'with a record of another version of this package',
      (name) =>
        writeFileSync(
          join(cache.folder, `${name}.json`),
          JSON.stringify(recordOf(PLAN, { format: 1 } as unknown as Partial<EngineKey>)),
        ),
    ],
  ])('that is %s is not trusted, reported by verify and removed by prune', async (_, spoil) => {
    const name = await keep();
    await keep({ precision: 'fp16' });
    spoil(name);
    expect(await cache.find(recordOf(PLAN).key)).toMatchObject({ damage: expect.any(String) });
    const damaged = (await listCache(cache.folder, true)).filter(({ damage }) => damage);
    expect(damaged.map((entry) => entry.name)).toEqual([name]);
    const { removed } = await pruneCache(cache.folder);
    expect(removed.map((entry) => entry.name)).toEqual([name]);
    expect(names().every((file) => file.includes('-fp16-'))).toBe(true);
  });

  test('without its record is not found, and is removed by prune', async () => {
    const name = await keep();
    rmSync(join(cache.folder, `${name}.json`));
    expect(await cache.find(recordOf(PLAN).key)).toBeUndefined();
    await pruneCache(cache.folder);
    expect(names()).toEqual([]);
  });
});

describe('pruning', () => {
  test('by age removes engines that were not used for longer', async () => {
    await keep({}, 40);
    const young = await keep({ precision: 'fp16' }, 20);
    await pruneCache(cache.folder, { olderThanMs: 30 * DAY });
    expect(names()).toEqual([`${young}.engine`, `${young}.json`]);
  });

  test('by size removes the least recently used until the rest fits', async () => {
    await keep({}, 3, Buffer.alloc(5000));
    await keep({ precision: 'int8' }, 1, Buffer.alloc(5000));
    await keep({ precision: 'fp16' }, 2, Buffer.alloc(5000));
    const { bytes } = await pruneCache(cache.folder, { maxBytes: 7000 });
    expect(bytes).toBeLessThanOrEqual(7000);
    expect(names().map((name) => name.slice(13, 17))).toEqual(['int8', 'int8']);
  });

  test('leaves engines that are being built, and foreign files', async () => {
    const name = await keep();
    const lock = await tryLock(join(cache.folder, `${name}.lock`));
    writeFileSync(join(cache.folder, 'notes.json'), 'mine');
    const { busy } = await pruneCache(cache.folder, { all: true });
    expect(busy.map((entry) => entry.name)).toEqual([name]);
    expect(names()).toContain('notes.json');
    if ('release' in lock) await lock.release();
    await pruneCache(cache.folder, { all: true });
    expect(names()).toEqual(['notes.json']);
  });

  test('removes leftovers of a killed process: temporary files after a while, locks at once', async () => {
    await keep();
    const before = names();
    const old = join(cache.folder, '.tft-0123456789ab.tmp');
    writeFileSync(old, 'half a plan');
    writeFileSync(join(cache.folder, '.tft-ba9876543210.tmp'), 'being written');
    const hourAgo = new Date(Date.now() - DAY / 24);
    utimesSync(old, hourAgo, hourAgo);
    const lock = join(cache.folder, before[0]?.replace('.engine', '.lock') ?? '');
    await tryLock(lock);
    writeFileSync(lock, readFileSync(lock, 'utf8').replace(/"started":"\d+"/, '"started":"1"'));
    await pruneCache(cache.folder);
    expect(names()).toEqual(['.tft-ba9876543210.tmp', ...before]);
    await pruneCache(cache.folder, { all: true });
    expect(names()).toEqual([]);
  });
});

describe('a timing cache', () => {
  const target: BuildTarget = {
    tensorrt: '10.15.1.29',
    device: 0,
    gpu: 'Double 0',
    computeCapability: '9.0',
    cuda: 13000,
    driver: '',
    kernels: undefined,
    rtx: false,
  };

  test('is read back by the same version and GPU, whole or not at all', async () => {
    await keep();
    await writeTimingCache(cache.folder, target, Buffer.from('timings'));
    expect(Buffer.from((await readTimingCache(cache.folder, target)) ?? [])).toEqual(Buffer.from('timings'));
    expect(await readTimingCache(cache.folder, { ...target, tensorrt: '10.16.0.1' })).toBeUndefined();
    const path = join(cache.folder, timingCacheName(target));
    writeFileSync(path, readFileSync(path, 'latin1').replace('timings', 'timingz'));
    expect(await readTimingCache(cache.folder, target)).toBeUndefined();
    expect((await listCache(cache.folder)).find(({ kind }) => kind === 'timing cache')?.damage).toBeDefined();
  });
});

describe("a plan in a bundle's folder", () => {
  const here: BuildTarget = {
    tensorrt: '10.15.1.29',
    device: 0,
    gpu: 'Double 0',
    computeCapability: '9.0',
    cuda: 12000,
    driver: 'another',
    kernels: { version: '1', hash: 'cd'.repeat(32) },
    rtx: false,
  };
  const differences = (change: Partial<EngineKey>) => staleness(recordOf(PLAN, change), here, undefined);

  test('fits the version and GPU that it was built for, whatever the driver', () => {
    expect(differences({})).toEqual([]);
  });

  test('is stale on another version or GPU, and both are named', () => {
    expect(differences({ tensorrt: '10.9.0.34' })).toEqual([
      'it was built by TensorRT 10.9.0.34, but here it is 10.15.1.29',
    ]);
    expect(differences({ computeCapability: '8.6', gpu: 'A10' })[0]).toContain(
      '8.6 (A10), but here it is 9.0 (Double 0)',
    );
    expect(differences({ gpu: 'Other' })[0]).toContain('for the GPU Other, but here it is Double 0');
  });

  test('built compatible, it fits later versions and other GPUs', () => {
    expect(differences({ tensorrt: '10.12.0.1', versionCompatible: true })).toEqual([]);
    expect(differences({ tensorrt: '10.16.0.1', versionCompatible: true })).toHaveLength(1);
    expect(differences({ tensorrt: '9.16.0.1', versionCompatible: true })).toHaveLength(1);
    expect(differences({ gpu: 'Other', hardwareCompatibility: 'sameComputeCapability' })).toEqual([]);
    expect(differences({ computeCapability: '8.6', hardwareCompatibility: 'ampere+' })).toEqual([]);
    expect(differences({ computeCapability: '7.5', hardwareCompatibility: 'ampere+' })).toHaveLength(1);
  });
});

describe('a plan that needs kernels of this package', () => {
  const here: BuildTarget = {
    tensorrt: '10.15.1.29',
    device: 0,
    gpu: 'Double 0',
    computeCapability: '9.0',
    cuda: 13000,
    driver: '',
    kernels: { version: '1', hash: 'cd'.repeat(32) },
    rtx: false,
  };
  const built = (version: string, fused: string[]) => ({
    ...recordOf(PLAN),
    kernels: { version, hash: 'ab'.repeat(32), fused },
  });

  test('runs with another image of the same version, and with no other kernels', () => {
    expect(staleness(built('1', ['recurrent']), here, undefined)).toEqual([]);
    expect(staleness(built('2', ['recurrent']), here, undefined)).toEqual([
      'it was built with kernels of version 2, but here it is 1',
    ]);
    expect(staleness(built('1', ['recurrent']), { ...here, kernels: undefined }, undefined)).toEqual([
      'it was built with kernels of version 1, but here it is none',
    ]);
  });

  test('is one that the kernels run a part of; one that could have used kernels but does not needs none', () => {
    expect(staleness(built('2', []), { ...here, kernels: undefined }, undefined)).toEqual([]);
  });
});

describe('tft cache', () => {
  test('lists, verifies and prunes', async () => {
    const name = await keep({ precision: 'fp16' });
    const list = JSON.parse((await tft(['cache', 'list', '--cache', root, '--json'])).stdout);
    expect(list.entries).toMatchObject([{ kind: 'engine', name, record: { key: { precision: 'fp16' } } }]);
    writeFileSync(join(cache.folder, `${name}.engine`), 'changed');
    const verified = await tft(['cache', 'verify'], { env: { TFT_CACHE: root } });
    expect(verified.status).toBe(1);
    expect(verified.stdout).toContain(`${name}: its plan has 7 bytes instead of 18`);
    const pruned = await tft(['cache', 'prune', '--cache', root]);
    expect(pruned.status).toBe(0);
    expect(pruned.stdout).toContain(`removed ${name}`);
    expect(names()).toEqual([]);
  });
});
