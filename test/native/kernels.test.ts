// Plans with this package's kernels, over the doubles: they load and run, and are distinguished from other plans.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EngineRecord } from '../../src/builder/engine-record.js';
import { buildEngine, type LoadOptions, TFTEngine } from '../../src/index.js';
import { loadAddon } from '../../src/native/load-addon.js';
import { onDoubles, whatIsMissing } from '../fixtures/doubles.js';

const DEMO = fileURLToPath(new URL('../../models/demo', import.meta.url));
const PARTS = [
  'preprocess',
  'static_selection',
  'contexts',
  'encoder_selection',
  'decoder_selection',
  'recurrent',
  'decoder',
];

const missing = whatIsMissing() ?? (loadAddon().kernels() ? undefined : 'the addon was built without nvcc');

describe.skipIf(missing)('a plan with kernels of this package', () => {
  let root: string;
  let bundle: string;
  let log: string[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tft-kernels-'));
    bundle = join(root, 'demo');
    cpSync(DEMO, bundle, { recursive: true });
    log = [];
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const inputs = {
    encoderCont: new Float32Array(288 * 14),
    encoderCat: new Int32Array(288 * 2),
    decoderCont: new Float32Array(96 * 4),
    decoderCat: new Int32Array(96 * 2),
  };
  const settings = (options: LoadOptions = {}): LoadOptions => ({
    tensorrt: onDoubles(),
    backend: 'tensorrt',
    cache: join(root, 'cache'),
    log: ({ level, message }) => log.push(`${level}: ${message}`),
    ...options,
  });
  async function use(options?: LoadOptions, path = bundle) {
    await using engine = await TFTEngine.load(path, settings(options));
    return { info: engine.info, data: (await engine.predict(inputs)).data };
  }
  const records = () => {
    const folder = join(root, 'cache', 'engines');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as EngineRecord);
  };

  test('is built, cached with the kernels that it needs, loaded again, and runs', async () => {
    const first = await use();
    expect(first.info.engine).toBe('built');
    expect(log.join('\n')).toMatch(/kernels of tft-tensorrt run .*recurrent/);
    const kernels = loadAddon().kernels();
    expect(records()).toMatchObject([
      {
        key: { kernels: `${kernels?.version} ${kernels?.hash}` },
        kernels: { ...kernels, fused: expect.arrayContaining(PARTS) },
      },
    ]);
    const second = await use();
    expect(second.info.engine).toBe('cache');
    expect(second.data).toEqual(first.data);
  });

  test('is another engine than one without kernels', async () => {
    await use();
    expect((await use({ build: { kernels: false } })).info.engine).toBe('built');
    const all = records();
    expect(all).toHaveLength(2);
    const plain = all.filter(({ key }) => key.kernels === 'none');
    expect(plain.map(({ kernels }) => kernels)).toEqual([undefined]);
    expect((await use({ build: { kernels: false } })).info.engine).toBe('cache');
  });

  test('from a file is refused or built again if this build has other kernels', async () => {
    const output = join(bundle, 'model.engine');
    const { tensorrtPath, cudaPath } = onDoubles();
    const built = await buildEngine(bundle, {
      output,
      cache: join(root, 'cache'),
      tensorrt: { tensorrtPath, cudaPath },
    });
    expect(built.fused).toEqual(expect.arrayContaining(PARTS));
    const record = JSON.parse(readFileSync(`${output}.json`, 'utf8'));
    record.kernels.version = '0';
    writeFileSync(`${output}.json`, JSON.stringify(record));
    await expect(use({ backend: 'auto' }, output)).rejects.toMatchObject({
      code: 'ERR_TFT_ENGINE_STALE',
      message: expect.stringMatching(/with kernels of version 0, but here it is \d/),
    });
    expect((await use({}, output)).info.engine).toBe('cache');
    expect(log.join('\n')).toContain('using another engine, from the cache or built');
  });
});
