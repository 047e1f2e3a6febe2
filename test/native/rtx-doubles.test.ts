// TensorRT for RTX over its double (cpp/tests/doubles): engines for named GPUs, run on one of them, and the run-time
// cache beside them. test/native/rtx.test.ts builds with the real one.
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listCache, pruneCache } from '../../src/builder/cache-upkeep.js';
import { buildEngine, type LoadOptions, TFTEngine, type TFTError } from '../../src/index.js';
import { bundles, variedInputs } from '../fixtures/bundles.js';
import { doubleAnswer, onDoubles, onRtxDouble, runOverDoubles, whatIsMissing } from '../fixtures/doubles.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/engine-program.mjs', import.meta.url));
// TensorRT for RTX does not run on the doubles' usual GPU, which is a Hopper. Read when the doubles are loaded.
process.env.TFT_DOUBLE_COMPUTE = '89';

describe.skipIf(whatIsMissing())('an engine of TensorRT for RTX', () => {
  let root: string;
  let bundle: string;
  let engines: string;
  let log: string[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tft-rtx-doubles-'));
    bundle = join(root, 'bundle');
    engines = join(root, 'cache', 'engines');
    cpSync(bundles.tiny, bundle, { recursive: true });
    log = [];
  });
  afterEach(() => {
    chmodSync(bundle, 0o755);
    rmSync(root, { recursive: true });
  });

  const inputs = variedInputs(5, 3);
  const cache = () => join(root, 'cache');
  const build = (targets: string[], more: Parameters<typeof buildEngine>[1] = {}) => {
    const { tensorrtPath } = onRtxDouble();
    return buildEngine(bundle, { targets, cache: cache(), tensorrt: { tensorrtPath }, ...more });
  };
  const settings = (more: LoadOptions = {}): LoadOptions => ({
    backend: 'tensorrt',
    tensorrt: onRtxDouble(),
    cache: cache(),
    log: ({ level, message }) => log.push(`${level}: ${message}`),
    ...more,
  });
  /** Loads, forecasts and closes. */
  async function use(path: string, more?: LoadOptions) {
    log = [];
    await using engine = await TFTEngine.load(path, settings(more));
    const { data } = await engine.predict(inputs);
    expect(data).toEqual(doubleAnswer(inputs));
    return engine.info;
  }
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable('it was not refused'),
      (error: TFTError) => error,
    );
  const runtimeCaches = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.runtime'));
  const warned = () => log.filter((line) => line.startsWith('warn')).join('\n');
  /** The kernels that a process of its own compiles to load the plan and to forecast, and what it warns of. */
  async function compiles(plan: string, more: LoadOptions = {}) {
    const options = { cache: cache(), tensorrt: onRtxDouble(), ...more };
    const { stdout, ledger } = await runOverDoubles(root, [PROGRAM, plan, JSON.stringify(options)], {});
    const said = JSON.parse(stdout.trim().split('\n').at(-1) as string);
    expect(said).toMatchObject({ engine: expect.any(String) });
    return { kernels: ledger?.calls.jit ?? 0, warnings: (said.warnings as string[]).join('\n') };
  }

  test('is built for named GPUs, checked where it is loaded, and forecasts there', async () => {
    const plan = join(bundle, 'model.engine');
    const built = await build(['rtx4090', 'sm120'], { output: plan });
    expect(built).toMatchObject({ rtx: true, gpu: 'sm89, sm120', engine: 'built', check: undefined });
    const record = () => JSON.parse(readFileSync(`${plan}.json`, 'utf8'));
    expect(record()).toMatchObject({
      key: { rtx: { targets: [89, 120] }, cuda: 0, driver: '' },
      tensors: [{ name: 'encoder_cont', input: true, type: 'float32', shape: [-1, 6, 3] }, {}, {}, {}, {}],
    });
    const info = await use(plan);
    expect(info).toMatchObject({ backend: 'tensorrt', engine: 'file', checked: true, device: 'Double 0' });
    expect(info.versions.tensorrt).toMatch(/^1\.7\.1\.116 for RTX$/);
    expect(record().check.length).toBeGreaterThan(0);
  });

  test('without targets it is built for the GPU here, through the cache', async () => {
    expect((await use(bundle)).engine).toBe('built');
    expect((await use(bundle)).engine).toBe('cache');
    expect(warned()).toBe('');
  });

  test('that was built into the cache by name is taken from it on such a GPU, and on no other', async () => {
    const { path } = await build(['rtx4090', 'sm120']);
    await build(['sm86']);
    const info = await use(bundle, { build: false });
    expect(info).toMatchObject({ engine: 'cache', origin: path, checked: true });
    expect(JSON.parse(readFileSync(path.replace(/engine$/, 'json'), 'utf8')).check).toBeDefined();
    expect((await use(bundle)).engine).toBe('cache');
    expect((await use(bundle, { build: { workspaceBytes: 2 ** 30 } })).engine).toBe('built');
  });

  test('does not load on another GPU, nor by TensorRT', async () => {
    const plan = join(bundle, 'model.engine');
    await build(['rtx3080'], { output: plan });
    rmSync(join(bundle, 'model.onnx'));
    const stale = await refusal(use(plan));
    expect(stale.code).toBe('ERR_TFT_ENGINE_STALE');
    expect(stale.message).toContain(
      'built for GPUs of compute capability 8.6, but here it is 8.9 (Double 0)',
    );
    const elsewhere = await refusal(use(plan, { tensorrt: onDoubles(10) }));
    expect(elsewhere.code).toBe('ERR_TFT_ENGINE_STALE');
    expect(elsewhere.message).toContain('1.7.1.116');
  });

  test('takes no plugins: its parser would end the process', async () => {
    const { tensorrtPath } = onDoubles(10);
    const plugins = [(tensorrtPath as string).replace('libnvinfer', 'libplugins')];
    const error = await refusal(build(['sm89'], { build: { plugins } }));
    expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
    expect(error.message).toContain('takes no plugins');
  });

  test('has no flags for FP16 and INT8: without the variant it says what makes it', async () => {
    for (const precision of ['fp16', 'int8'] as const) {
      const error = await refusal(build(['sm89'], { precision }));
      expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
      expect(error.message).toContain('variants');
    }
  });

  describe('the run-time cache', () => {
    test('is written beside the engine, and the next start compiles nothing', async () => {
      const first = await compiles(bundle);
      // The batches of the check, each once: loading then finds them compiled.
      expect(first.kernels).toBe(3);
      const [name = ''] = runtimeCaches(engines);
      const engine = readdirSync(engines).find((file) => file.endsWith('.engine')) as string;
      expect(name).toMatch(new RegExp(`^${engine.replace(/\.engine$/, '')}.[0-9a-f]{16}.runtime$`));
      expect(await compiles(bundle)).toEqual({ kernels: 0, warnings: '' });

      const plan = join(bundle, 'model.engine');
      await build(['sm89'], { output: plan });
      expect((await compiles(plan)).kernels).toBeGreaterThan(0);
      expect(runtimeCaches(bundle)).toHaveLength(1);
      expect((await compiles(plan)).kernels).toBe(0);
    });

    test('of another version, GPU or plan is not used, and replaced', async () => {
      const plan = join(bundle, 'model.engine');
      await build(['sm86', 'sm89'], { output: plan });
      await use(plan);
      const [name = ''] = runtimeCaches(bundle);
      const path = join(bundle, name);
      const whole = readFileSync(path);
      const text = whole.toString('latin1');
      for (const [from, to, why] of [
        ['1.7.1.116, Double', '1.7.0.100, Double', 'it is of TensorRT for RTX 1.7.0.100'],
        ['(8.9)', '(8.6)', 'it is of TensorRT for RTX 1.7.1.116, Double 0 (8.6)'],
        [/plan [0-9a-f]{8}/.exec(text)?.[0] ?? '', 'plan 00000000', 'plan 00000000'],
      ] as const) {
        writeFileSync(path, text.replace(from, to), 'latin1');
        await use(plan);
        expect(warned()).toContain('is not used: ');
        expect(warned()).toContain(why);
        await use(plan);
        expect(warned()).toBe('');
      }
      process.env.TFT_DOUBLE_COMPUTE = '86';
      expect((await compiles(plan)).kernels).toBeGreaterThan(0);
      process.env.TFT_DOUBLE_COMPUTE = '89';
      expect(runtimeCaches(bundle)).toHaveLength(2);
    });

    test('that is broken, unreadable or in a folder that cannot be written stops no load', async () => {
      const plan = join(bundle, 'model.engine');
      await build(['sm89'], { output: plan });
      await use(plan);
      const [name = ''] = runtimeCaches(bundle);
      const path = join(bundle, name);
      const whole = readFileSync(path);
      const head = whole.indexOf(10) + 1;
      for (const content of [
        Buffer.alloc(0),
        Buffer.from('no cache'),
        whole.subarray(0, head),
        whole.subarray(0, head + 20),
        Buffer.concat([whole, Buffer.from('x')]),
        Buffer.alloc(100_000, 0xff),
      ]) {
        writeFileSync(path, content);
        await use(plan);
        expect(warned()).toContain('is not used: it is damaged');
        await use(plan);
        expect(warned()).toBe('');
      }
      rmSync(path);
      // A folder in its place can be neither read nor replaced, by root either.
      cpSync(bundles.tiny, path, { recursive: true });
      await use(plan);
      expect(warned()).toContain('is not used: EISDIR');
      expect(log.join('\n')).toContain('is not stored, so the next start compiles again');
      expect(statSync(path).isDirectory()).toBe(true);
    });

    test('that another user can write to is not used: it is code', async () => {
      const plan = join(bundle, 'model.engine');
      await build(['sm89'], { output: plan });
      await use(plan);
      const path = join(bundle, runtimeCaches(bundle)[0] as string);
      chmodSync(path, 0o666);
      await use(plan);
      expect(warned()).toContain(`others may write to ${path}`);
    });

    test('is not written with cache: false', async () => {
      const plan = join(bundle, 'model.engine');
      await build(['sm89'], { output: plan });
      await use(plan, { cache: false });
      expect(runtimeCaches(bundle)).toEqual([]);
    });

    test('goes with its engine, is listed and pruned', async () => {
      await use(bundle);
      const kinds = async () => (await listCache(engines)).map(({ kind }) => kind);
      expect(await kinds()).toEqual(['engine', 'run-time cache']);
      const runtime = join(engines, runtimeCaches(engines)[0] as string);
      const whole = readFileSync(runtime);
      writeFileSync(runtime, 'damaged');
      expect((await listCache(engines))[1]?.damage).toBeDefined();
      await pruneCache(engines);
      expect(await kinds()).toEqual(['engine']);

      writeFileSync(runtime, whole);
      rmSync(join(engines, readdirSync(engines).find((file) => file.endsWith('.json')) as string));
      expect(await kinds()).toEqual(['left over', 'left over']);
      await pruneCache(engines);
      expect(readdirSync(engines)).toEqual([]);

      await use(bundle);
      expect(readdirSync(engines)).toHaveLength(3);
      // It is as old as its engine is unused, whenever it was written.
      const long = new Date(Date.now() - 40 * 24 * 3_600_000);
      utimesSync(runtime, long, long);
      expect((await pruneCache(engines, { olderThanMs: 24 * 3_600_000 })).removed).toEqual([]);
      const { removed, bytes } = await pruneCache(engines, { maxBytes: 0 });
      expect(removed.map(({ kind }) => kind)).toEqual(['engine', 'run-time cache']);
      expect({ bytes, files: readdirSync(engines) }).toEqual({ bytes: 0, files: [] });
    });
  });
});
