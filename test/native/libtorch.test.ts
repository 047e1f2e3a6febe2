// The backend 'libtorch': over the double of its library, and over LibTorch itself where that library is built.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LoadOptions, TFTEngine, TFTError } from '../../src/index.js';
import { bundles, samples, tinyAnswer, variedInputs, WIDTH } from '../fixtures/bundles.js';
import { doubleAnswer } from '../fixtures/doubles.js';
import {
  bundleWithModule,
  libTorch,
  libTorchDouble,
  moduleOf,
  whatIsMissing,
} from '../fixtures/torchscript.js';

type Bundle = ReturnType<typeof bundleWithModule>;
const DOUBLE = Buffer.from('tft-double-module\n');
const DOUBLE_FAILS = Buffer.from('tft-double-module fails\n');
const VERSION = /^\d+\.\d+\.\d+/;

async function refusal(work: Promise<unknown>): Promise<TFTError> {
  const result = await work.catch((error: unknown) => error);
  expect(result).toBeInstanceOf(TFTError);
  return result as TFTError;
}

describe.each([
  ['its double', libTorchDouble, DOUBLE, DOUBLE_FAILS, doubleAnswer],
  ['LibTorch', libTorch, moduleOf('tiny'), moduleOf('failing'), tinyAnswer],
] as const)('over %s', (_, library, tiny, failing, answer) => {
  const missing = whatIsMissing(library);
  const made: Bundle[] = [];
  const bundle = (content: Buffer, of: keyof typeof bundles = 'tiny') => {
    made.push(bundleWithModule(of, content));
    return made.at(-1) as Bundle;
  };
  const load = (path: string, { libtorch, ...options }: LoadOptions = {}) =>
    TFTEngine.load(path, { backend: 'libtorch', threads: 2, libtorch: { library, ...libtorch }, ...options });
  let folder = '';
  beforeAll(() => {
    folder = bundle(tiny).folder;
  });
  afterAll(() => {
    for (const one of made) one.remove();
  });

  test.skipIf(missing)('info says what runs', async () => {
    await using engine = await load(folder);
    expect(engine.info).toMatchObject({
      backend: 'libtorch',
      precision: 'fp32',
      threads: 2,
      maxBatch: 8,
      why: 'asked for by name',
      origin: join(folder, 'model.ts.pt'),
    });
    expect(engine.info.device).toMatch(/^CPU \(.+\)$/);
    expect(engine.info.versions.libtorch).toMatch(VERSION);
  });

  test.skipIf(missing)(
    "a module that is named runs on LibTorch, also by 'auto', without an ONNX file",
    async () => {
      const { folder: own, module } = bundle(tiny);
      rmSync(join(own, 'model.onnx'));
      await using engine = await load(module, { backend: 'auto' });
      expect(engine.info).toMatchObject({ backend: 'libtorch', origin: module });
      const inputs = variedInputs(3, 1);
      expect((await engine.predict(inputs)).data).toEqual(answer(inputs));
    },
  );

  test.skipIf(missing)("'auto' takes ONNX Runtime for a bundle that has both files", async () => {
    await using engine = await load(folder, { backend: 'auto' });
    expect(engine.info.backend).toBe('onnxruntime');
  });

  test.skipIf(missing)('a run that fails fails its request only', async () => {
    await using engine = await load(bundle(failing).folder, { maxBatch: 1 });
    const inputs = variedInputs(1, 1);
    (inputs.encoderCat as Int32Array)[0] = 2;
    const error = await refusal(engine.predict(inputs));
    expect(error.code).toBe('ERR_TFT_RUN');
    expect(error.message).toMatch(/index out of range/i);
    expect(engine.counters()).toMatchObject({ failed: 1, runningBatches: 0 });
  });

  test.skipIf(missing)(
    'refuses files that are not modules, other hashes, devices and precisions',
    async () => {
      const other = bundle(Buffer.from('something else'));
      expect((await refusal(load(other.folder))).code).toBe('ERR_TFT_MODEL_INVALID');
      const changed = bundle(tiny);
      writeFileSync(changed.module, failing);
      expect((await refusal(load(changed.folder))).code).toBe('ERR_TFT_MODEL_HASH');
      expect((await refusal(load(changed.module))).code).toBe('ERR_TFT_MODEL_HASH');
      rmSync(changed.module);
      expect((await refusal(load(changed.folder))).code).toBe('ERR_TFT_MODEL_NOT_FOUND');
      const gpu = await refusal(load(folder, { libtorch: { device: 'cuda:99' } }));
      expect(gpu.code).toBe('ERR_TFT_BACKEND_UNAVAILABLE');
      expect((await refusal(load(folder, { precision: 'fp16' }))).code).toBe('ERR_TFT_UNSUPPORTED');
      for (const libtorch of [{ device: 'tpu' }, { threads: 0 }, { lanes: 2 } as object])
        expect((await refusal(load(folder, { libtorch }))).code).toBe('ERR_TFT_OPTION');
    },
  );
});

const withLibTorch = test.skipIf(whatIsMissing(libTorch));

withLibTorch('LibTorch forecasts the sample windows as the bundle says', async () => {
  const { folder, remove } = bundleWithModule('tiny', moduleOf('tiny'));
  await using engine = await TFTEngine.load(folder, { backend: 'libtorch', libtorch: { library: libTorch } });
  const { inputs, expected } = samples();
  expect((await engine.predict(inputs)).data).toEqual(expected);
  remove();
});

withLibTorch('LibTorch gives a further input and output their places', async () => {
  const { folder, remove } = bundleWithModule('wide', moduleOf('wide'));
  await using engine = await TFTEngine.load(folder, { backend: 'libtorch', libtorch: { library: libTorch } });
  const staticCont = Float32Array.of(1, 2, 3, 4);
  const inputs = { ...variedInputs(2, 3), staticCont };
  const { data, outputs } = await engine.predict(inputs);
  expect(data).toEqual(tinyAnswer(inputs).map((value, index) => value + (index < WIDTH ? 3 : 7)));
  expect(outputs.metric_importance?.data).toEqual(Float32Array.of(2, 4, 6, 8));
  remove();
});

withLibTorch("LibTorch refuses a module of another model's tensors", async () => {
  const { folder, remove } = bundleWithModule('tiny', moduleOf('wide'));
  const error = await refusal(
    TFTEngine.load(folder, { backend: 'libtorch', libtorch: { library: libTorch } }),
  );
  expect(error.code).toBe('ERR_TFT_MODEL_INVALID');
  expect(error.message).toContain('forward takes 5 tensors; the model has 4 inputs');
  remove();
});

test('a bundle without a module says what writes one', async () => {
  const error = await refusal(TFTEngine.load(bundles.tiny, { backend: 'libtorch' }));
  expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
  expect(error.message).toContain('tft-export export --torchscript');
});

test.skipIf(whatIsMissing(libTorchDouble))(
  'a library that is missing is named, with what builds it',
  async () => {
    const { folder, remove } = bundleWithModule('tiny', DOUBLE);
    const error = await refusal(
      TFTEngine.load(folder, { backend: 'libtorch', libtorch: { library: '/nowhere/lib.so' } }),
    );
    expect(error.code).toBe('ERR_TFT_BACKEND_UNAVAILABLE');
    expect(error.message).toMatch(/npm run build:libtorch.*\/nowhere\/lib\.so/);
    remove();
  },
);
