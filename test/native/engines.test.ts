// From a bundle to a forecast over the doubles: the engine is built once, cached and found again, and rebuilt if it is
// damaged or does not fit.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listCache } from '../../src/builder/cache-upkeep.js';
import {
  type BuildProgress,
  buildEngine,
  type LoadOptions,
  TFTEngine,
  type TFTError,
} from '../../src/index.js';
import { bundles, variedInputs } from '../fixtures/bundles.js';
import { doubleAnswer, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

/** The parts of a record or a model.json that these tests change. */
interface EditableJson {
  key: object;
  plan: object;
  variants?: object;
}

describe.skipIf(whatIsMissing())('an engine', () => {
  let root: string;
  let bundle: string;
  let engines: string;
  let log: string[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tft-engines-'));
    bundle = join(root, 'bundle');
    engines = join(root, 'cache', 'engines');
    cpSync(bundles.tiny, bundle, { recursive: true });
    log = [];
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const inputs = variedInputs(5, 3);
  const settings = (options: LoadOptions = {}): LoadOptions => ({
    tensorrt: onDoubles(),
    backend: 'tensorrt',
    cache: join(root, 'cache'),
    log: ({ level, message }) => log.push(`${level}: ${message}`),
    ...options,
  });
  /** Loads, forecasts and closes. */
  async function use(options?: LoadOptions, path = bundle) {
    await using engine = await TFTEngine.load(path, settings(options));
    const { data } = await engine.predict(inputs);
    return { info: engine.info, from: engine.info.engine, data };
  }
  const refusal = (options?: LoadOptions, path?: string) =>
    use(options, path).then(
      () => expect.unreachable('it was loaded'),
      (error: TFTError) => error,
    );
  const build = (output?: string, more: Parameters<typeof buildEngine>[1] = {}) => {
    const { tensorrtPath, cudaPath } = onDoubles();
    return buildEngine(bundle, {
      output,
      cache: join(root, 'cache'),
      tensorrt: { tensorrtPath, cudaPath },
      ...more,
    });
  };
  const files = (extension: string) =>
    (existsSync(engines) ? readdirSync(engines) : []).filter((name) => name.endsWith(extension));
  const only = (extension: string) => join(engines, files(extension)[0] as string);
  const warned = () => log.filter((line) => line.startsWith('warn')).join('\n');
  function edit(path: string, change: (json: EditableJson) => void): void {
    const json = JSON.parse(readFileSync(path, 'utf8'));
    change(json);
    writeFileSync(path, JSON.stringify(json));
  }
  function addVariant(precision: 'fp16' | 'int8'): void {
    const path = `model.${precision}.onnx`;
    const content = readFileSync(join(bundle, 'model.onnx'));
    writeFileSync(join(bundle, path), content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    edit(join(bundle, 'model.json'), (model) => {
      Object.assign(model, {
        variants: {
          ...model.variants,
          [precision]: { file: { path, bytes: content.length, sha256 } },
        },
      });
    });
  }

  test('is built at the first start and loaded from the cache at the second', async () => {
    const first = await use();
    expect(first.from).toBe('built');
    expect(first.data).toEqual(doubleAnswer(inputs));
    const second = await use();
    expect(second.from).toBe('cache');
    expect(second.data).toEqual(first.data);
    expect(second.info.origin).toBe(only('.engine'));
    expect(second.info.precision).toBe('fp32');
    expect(second.info.maxBatch).toBe(32);
    expect(files('.lock')).toEqual([]);
    expect(warned()).toBe('');
  });

  test('reports progress while it is built', async () => {
    const seen: BuildProgress[] = [];
    await use({ onProgress: (progress) => seen.push(progress) });
    const shares = seen.map(({ share }) => share);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(['building', 'saving']));
  });

  test('is another one for another precision, batch or option', async () => {
    addVariant('fp16');
    const variants: LoadOptions[] = [
      {},
      { precision: 'fp16' },
      { maxBatch: 40 },
      { build: { optimizationLevel: 1 } },
      {
        build: {
          profiles: [
            { min: 1, opt: 1, max: 1 },
            { min: 1, opt: 4, max: 16 },
          ],
        },
      },
      { tensorrt: onDoubles(11) },
    ];
    for (const options of variants) expect((await use(options)).from).toBe('built');
    for (const options of variants) expect((await use(options)).from).toBe('cache');
    expect((await use({ maxBatch: 40 })).info.maxBatch).toBe(40);
    expect(files('.engine')).toHaveLength(variants.length);
  });

  test('is another one for a changed model', async () => {
    await use();
    cpSync(bundles.slow, bundle, { recursive: true });
    expect((await use()).from).toBe('built');
  });

  test('in FP16 without a variant is built by TensorRT 10 with a warning, and refused with 11', async () => {
    expect((await use({ precision: 'fp16' })).info.precision).toBe('fp16');
    expect(warned()).toContain('unverified accuracy');
    const error = await refusal({ precision: 'int8', tensorrt: onDoubles(11) });
    expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
    expect(error.message).toContain('tft-export variants');
  });

  test('in FP16 is built from the variant that model.json describes', async () => {
    addVariant('fp16');
    expect((await use({ precision: 'fp16', tensorrt: onDoubles(11) })).from).toBe('built');
    expect(warned()).toBe('');
    expect((await use({ tensorrt: onDoubles(11) }, join(bundle, 'model.fp16.onnx'))).from).toBe('cache');
    writeFileSync(join(bundle, 'model.fp16.onnx'), 'another');
    expect((await refusal({ precision: 'fp16' })).code).toBe('ERR_TFT_MODEL_HASH');
    rmSync(join(bundle, 'model.fp16.onnx'));
    expect((await refusal({ precision: 'fp16' })).code).toBe('ERR_TFT_MODEL_NOT_FOUND');
  });

  test.each<[string, () => void]>([
    ['cut off', () => writeFileSync(only('.engine'), readFileSync(only('.engine')).subarray(0, 100))],
    [
      'of something else',
      () => writeFileSync(only('.engine'), 'x'.repeat(readFileSync(only('.engine')).length)),
    ],
    ['without a plan', () => rmSync(only('.engine'))],
    ['with half a record', () => writeFileSync(only('.json'), readFileSync(only('.json')).subarray(0, 99))],
  ])('that is %s in the cache is built again, with a warning', async (_, spoil) => {
    const before = await use();
    spoil();
    const after = await use();
    expect(after.from).toBe('built');
    expect(after.data).toEqual(before.data);
    expect(warned()).toMatch(/cannot be trusted: .*\n.*removing .* built again/);
    expect((await use()).from).toBe('cache');
  });

  test('that is undamaged in the cache but refused by TensorRT is built again', async () => {
    await use();
    const foreign = Buffer.from('whole, but no plan');
    writeFileSync(only('.engine'), foreign);
    edit(only('.json'), (record) => {
      const sha256 = createHash('sha256').update(foreign).digest('hex');
      Object.assign(record, { plan: { bytes: foreign.length, sha256 } });
    });
    expect((await use()).from).toBe('built');
    expect(warned()).toContain('the cached engine is built again');
    expect((await use()).from).toBe('cache');
  });

  test('is not kept if the cache is turned off', async () => {
    const { info } = await use({ cache: false });
    expect(info.engine).toBe('built');
    expect(info.origin).toContain('not kept');
    expect((await use({ cache: false })).from).toBe('built');
    expect(existsSync(engines)).toBe(false);
  });

  test('whose build is cancelled is not cached, and can be built at once', async () => {
    const abort = new AbortController();
    const error = await refusal({
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('enough')),
    });
    expect(error).toMatchObject({
      code: 'ERR_TFT_ABORTED',
      name: 'AbortError',
      cause: { message: 'enough' },
    });
    expect([...files('.engine'), ...files('.json'), ...files('.lock'), ...files('.tmp')]).toEqual([]);
    expect((await refusal({ signal: abort.signal })).code).toBe('ERR_TFT_ABORTED');
    expect((await use()).from).toBe('built');
  });

  test("is not built by 'auto', which uses it once it exists", async () => {
    const auto: LoadOptions = { backend: 'auto', precision: 'fp32' };
    const before = await use(auto);
    expect(before.info.backend).toBe('onnxruntime');
    expect(before.info.why).toContain('there is no TensorRT plan in fp32 here');
    await use();
    expect(await use(auto)).toMatchObject({
      from: 'cache',
      info: { why: 'a TensorRT engine is in the cache', backend: 'tensorrt' },
    });
    expect((await use({ ...auto, precision: 'fp16' })).info.backend).toBe('onnxruntime');
  });

  test('is not built if building is forbidden', async () => {
    const error = await refusal({ build: false });
    expect(error.code).toBe('ERR_TFT_BACKEND_UNAVAILABLE');
    expect(error.message).toContain('tft build');
    await use();
    expect((await use({ build: false })).from).toBe('cache');
  });

  test('is built once for many concurrent loads', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => use()));
    expect(all.map(({ from }) => from).sort()).toEqual(['built', 'cache', 'cache', 'cache', 'cache']);
    expect(log.some((line) => line.includes('is building this engine; waiting for it'))).toBe(true);
  });

  test('from a file runs in the precision of its record', async () => {
    const output = join(bundle, 'any-name.engine');
    const built = await build(output, { precision: 'fp16' });
    expect(built).toMatchObject({ path: output, engine: 'built', precision: 'fp16' });
    expect(await use({ precision: 'fp16' })).toMatchObject({
      from: 'file',
      info: { origin: output, precision: 'fp16' },
    });
    expect((await refusal({ precision: 'int8' }, output)).code).toBe('ERR_TFT_UNSUPPORTED');
    expect((await build(join(root, 'copy.engine'), { precision: 'fp16' })).engine).toBe('cache');
    expect(readFileSync(join(root, 'copy.engine'))).toEqual(readFileSync(output));
  });

  test.each<[string, (key: object) => void, RegExp]>([
    [
      'version',
      (key) => Object.assign(key, { tensorrt: '10.9.0.34' }),
      /built by TensorRT 10\.9\.0\.34, but here it is 10\.\d/,
    ],
    [
      'GPU',
      (key) => Object.assign(key, { gpu: 'Tesla T4', computeCapability: '7.5' }),
      /7\.5 \(Tesla T4\), but here it is 9\.0/,
    ],
    [
      'model',
      (key) => Object.assign(key, { onnx: 'ab'.repeat(32) }),
      /SHA-256 abababababab…, but here it is/,
    ],
  ])(
    'from a file for another %s is built again from the ONNX file, else refused with both sides named',
    async (_, change, both) => {
      const output = join(bundle, 'model.engine');
      await build(output);
      edit(`${output}.json`, (record) => change(record.key));
      rmSync(engines, { recursive: true });
      const auto = await refusal({ backend: 'auto' }, output);
      expect(auto.code).toBe('ERR_TFT_ENGINE_STALE');
      expect(auto.message).toMatch(both);
      for (const path of [output, bundle]) {
        log.length = 0;
        expect((await use({}, path)).info.backend).toBe('tensorrt');
        expect(warned()).toMatch(both);
      }
      expect((await use({ backend: 'auto' })).info.why).toBe('a TensorRT engine is in the cache');
      rmSync(join(bundle, 'model.onnx'));
      const gone = await refusal({}, output);
      expect(gone.code).toBe('ERR_TFT_ENGINE_STALE');
      expect(gone.message).toContain('there is no ONNX file');
    },
  );

  test('from a file that TensorRT refuses is built again from the ONNX file', async () => {
    const output = join(bundle, 'model.fp32.engine');
    writeFileSync(output, 'no plan');
    expect((await refusal({ backend: 'auto' }, output)).code).toBe('ERR_TFT_PLAN_INVALID');
    expect((await refusal({ build: false }, output)).code).toBe('ERR_TFT_PLAN_INVALID');
    expect((await use({}, output)).from).toBe('built');
    expect(warned()).toContain(basename(output));
  });

  test('from a file ignores a record of another plan', async () => {
    const output = join(bundle, 'model.engine');
    await build(output);
    edit(`${output}.json`, (record) => Object.assign(record.key, { tensorrt: '9.9.9.9' }));
    edit(`${output}.json`, (record) => Object.assign(record.plan, { sha256: 'cd'.repeat(32) }));
    expect((await use({}, output)).from).toBe('file');
    expect(warned()).toContain('is not used: it is of another plan');
  });

  test('is built from an ONNX file without model.json', async () => {
    cpSync(join(bundle, 'model.onnx'), join(root, 'alone.onnx'));
    const { tensorrtPath, cudaPath } = onDoubles();
    const built = await buildEngine(join(root, 'alone.onnx'), {
      output: join(root, 'alone.engine'),
      cache: false,
      tensorrt: { tensorrtPath, cudaPath },
    });
    expect(built).toMatchObject({ onnx: 'alone.onnx', profiles: [{ min: 1, opt: 8, max: 32 }] });
    expect(existsSync(engines)).toBe(false);
  });

  test('that is undamaged passes tft cache verify', async () => {
    await use();
    const entries = await listCache(engines, true);
    expect(entries.map(({ kind, damage }) => [kind, damage])).toEqual([
      ['engine', undefined],
      ['timing cache', undefined],
    ]);
  });
});
