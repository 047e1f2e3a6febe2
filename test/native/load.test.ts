// Loading over the doubles: the choice of the plan, its description, and the codes of refusals.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadOptions, TFTEngine, TFTError } from '../../src/index.js';
import { findAddon } from '../../src/native/load-addon.js';
import { variedInputs } from '../fixtures/bundles.js';
import {
  bundleWithPlan,
  doubleAnswer,
  doublePlan,
  onDoubles,
  type PlanOptions,
  whatIsMissing,
} from '../fixtures/doubles.js';

process.env.TFT_DOUBLE_MEMORY = String(1 << 28);

describe.skipIf(whatIsMissing())('loading', () => {
  let bundle: ReturnType<typeof bundleWithPlan>;
  beforeEach(() => {
    bundle = bundleWithPlan();
  });
  afterEach(() => bundle.remove());

  const load = (path = bundle.folder, options: LoadOptions = {}) =>
    TFTEngine.load(path, { tensorrt: onDoubles(), ...options });
  async function refusal(path?: string, options?: LoadOptions): Promise<TFTError> {
    const result = await load(path, options).catch((error: unknown) => error);
    expect(result).toBeInstanceOf(TFTError);
    return result as TFTError;
  }
  const replacePlan = (options: PlanOptions) => writeFileSync(bundle.plan, doublePlan(options));

  test("'auto' uses an existing plan and says so", async () => {
    await using engine = await load();
    expect(engine.info).toMatchObject({
      backend: 'tensorrt',
      why: 'a TensorRT plan is at hand',
      origin: bundle.plan,
    });
  });

  test("'auto' without a usable device runs on the CPU and says why, to the log as well", async () => {
    const log: string[] = [];
    await using engine = await load(bundle.folder, {
      tensorrt: { ...onDoubles(), cudaPath: '/nowhere/libcuda.so.1' },
      log: ({ message }) => log.push(message),
    });
    expect(engine.info.backend).toBe('onnxruntime');
    expect(engine.info.why).toMatch(/ERR_TFT_NO_CUDA_DRIVER.*CPU/);
    expect(log.join('\n')).toContain(engine.info.why);
  });

  test('a backend requested by name never falls back', async () => {
    const nowhere = { ...onDoubles(), cudaPath: '/nowhere/libcuda.so.1' };
    expect((await refusal(bundle.folder, { backend: 'tensorrt', tensorrt: nowhere })).code).toBe(
      'ERR_TFT_NO_CUDA_DRIVER',
    );
    await using engine = await load(bundle.folder, { backend: 'onnxruntime' });
    expect(engine.info.backend).toBe('onnxruntime');
  });

  test('of several plans the one in the requested precision is loaded', async () => {
    for (const name of ['a_int8.plan', 'b_fp16.engine', 'c_fp32.engine']) {
      writeFileSync(join(bundle.folder, name), doublePlan());
    }
    for (const precision of ['int8', 'fp16', 'fp32'] as const) {
      await using engine = await load(bundle.folder, { precision });
      expect(engine.info.precision).toBe(precision);
      expect(engine.info.origin).toContain(precision);
    }
    expect((await refusal(join(bundle.folder, 'a_int8.plan'), { precision: 'fp32' })).code).toBe(
      'ERR_TFT_UNSUPPORTED',
    );
  });

  test('a plan needs no ONNX file in its folder', async () => {
    rmSync(join(bundle.folder, 'model.onnx'));
    await using engine = await load(bundle.plan);
    expect(engine.model.name).toBe('tiny');
  });

  test('a plan without model.json describes itself, except for its quantiles', async () => {
    rmSync(join(bundle.folder, 'model.json'));
    const missing = await refusal(bundle.plan);
    expect(missing.code).toBe('ERR_TFT_OPTION');
    expect(missing.message).toContain('predicts 3');
    // Its calendar has two channels without names.
    const calendar = await refusal(bundle.plan, { quantiles: [0.1, 0.5, 0.9] });
    expect(calendar.code).toBe('ERR_TFT_PLAN_MISMATCH');
    replacePlan({
      replace: {
        'input decoder_cont': 'input decoder_cont float32 -1,4,4',
        'range decoder_cont': 'range decoder_cont 1,4,4 4,4,4 8,4,4',
      },
    });
    await using engine = await load(bundle.plan, { quantiles: [0.1, 0.5, 0.9] });
    expect(engine.model).toMatchObject({
      name: 'model',
      encoderLength: 6,
      horizon: 4,
      quantiles: [0.1, 0.5, 0.9],
    });
    const inputs = { ...variedInputs(2, 1), decoderCont: new Float32Array(2 * 16).fill(3) };
    inputs.encoderCat.fill(1000);
    expect((await engine.predict(inputs)).data).toEqual(doubleAnswer(inputs));
    inputs.encoderCat[3] = -1;
    await expect(engine.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_INPUT_CATEGORY' });
  });

  test.each<[string, PlanOptions, string, RegExp]>([
    [
      'another horizon',
      { replace: { 'output predictions': 'output predictions float32 -1,5,3' } },
      'ERR_TFT_PLAN_MISMATCH',
      /predictions/,
    ],
    [
      'another type',
      { replace: { 'input encoder_cat': 'input encoder_cat int64 -1,6,2' } },
      'ERR_TFT_PLAN_MISMATCH',
      /encoder_cat/,
    ],
    [
      'another name',
      { replace: { 'output predictions': 'output quantiles float32 -1,4,3' } },
      'ERR_TFT_PLAN_MISMATCH',
      /predictions/,
    ],
    ['another version', { replace: { version: 'version 9.9.9.9' } }, 'ERR_TFT_PLAN_INVALID', /./],
    ['host code', { replace: { seed: 'seed 7\nhostcode' } }, 'ERR_TFT_PLAN_INVALID', /./],
    [
      'more weights than memory',
      { replace: { weights: `weights ${2 ** 30}` } },
      'ERR_TFT_OUT_OF_MEMORY',
      /./,
    ],
  ])('a plan with %s', async (_, options, code, message) => {
    replacePlan(options);
    const error = await refusal(bundle.plan);
    expect({ code: error.code, message: error.message }).toMatchObject({ code });
    expect(error.message).toMatch(message);
  });

  test('truncated, empty and foreign files', async () => {
    for (const content of [
      '',
      doublePlan().slice(0, 300),
      '\x7fELF'.repeat(1000),
      doublePlan().replace('seed 7', 'seed 8'),
    ]) {
      writeFileSync(bundle.plan, content);
      expect((await refusal(bundle.plan)).code).toBe('ERR_TFT_PLAN_INVALID');
    }
    rmSync(bundle.plan);
    expect((await refusal(bundle.plan)).code).toBe('ERR_TFT_MODEL_NOT_FOUND');
  });

  test('missing libraries', async () => {
    const path = '/nowhere/libnvinfer.so.10';
    expect((await refusal(bundle.plan, { tensorrt: { ...onDoubles(), tensorrtPath: path } })).code).toBe(
      'ERR_TFT_TENSORRT_NOT_FOUND',
    );
  });

  test.each<[LoadOptions, RegExp]>([
    [{ tensorrt: { lanes: 0 } }, /tensorrt\.lanes/],
    [{ tensorrt: { splitFrom: -1 } }, /tensorrt\.splitFrom/],
    [{ tensorrt: { lanes: 65 } }, /tensorrt\.lanes/],
    [{ tensorrt: { devices: [] } }, /tensorrt\.devices/],
    [{ tensorrt: onDoubles(10, { devices: [5] }) }, /device/],
    [{ tensorrt: { librarypath: '/x' } as never }, /librarypath/],
    [{ maxBatch: 1000 }, /batch/i],
    [{ quantiles: [0.5] }, /quantiles/],
  ])('options %j are refused', async (options, message) => {
    const error = await refusal(bundle.plan, options);
    expect(error.code).toBe('ERR_TFT_OPTION');
    expect(error.message).toMatch(message);
  });

  test('the addon can be loaded twice', async () => {
    const file = findAddon();
    const require = createRequire(import.meta.url);
    const first = require(file) as object;
    delete require.cache[file];
    const second = require(file) as typeof import('../../src/native/addon.js') & {
      loadLibraries(options: object): Promise<{ tensorrtVersion: string }>;
    };
    expect(second).not.toBe(first);
    const report = await second.loadLibraries(onDoubles());
    expect(report.tensorrtVersion).toMatch(/^10\./);
    await using engine = await load();
    expect(engine.info.backend).toBe('tensorrt');
  });

  test("the addon links none of NVIDIA's libraries", () => {
    const needed = execFileSync('readelf', ['-d', findAddon()], { encoding: 'utf8' }).match(/\[lib[^\]]+\]/g);
    expect(needed).toContain('[libc.so.6]');
    for (const library of needed ?? [])
      expect(library).toMatch(/^\[(lib(stdc\+\+|gcc_s|c|m|dl|pthread|[a-z]+san)|ld-linux-[a-z0-9-]+)\.so/);
  });
});
