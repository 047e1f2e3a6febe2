// Loading a bundle: refusals, their codes, and the place that the message names.
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadOptions, loadModel, readBundleFile, TFTEngine, TFTError } from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'tft-model-')), 'bundle');
  cpSync(bundles.tiny, folder, { recursive: true });
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

/** Writes a value to model.json at a path like 'inputs.0.type'; undefined removes the key. */
function edit(path: string, value: unknown): void {
  const file = join(folder, 'model.json');
  const model = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() as string;
  const holder = keys.reduce((place, key) => place[key] as Record<string, unknown>, model);
  holder[last] = value;
  writeFileSync(file, JSON.stringify(model));
}

async function refusal(path = folder, options?: LoadOptions): Promise<TFTError> {
  const result = await TFTEngine.load(path, options).catch((error: unknown) => error);
  expect(result).toBeInstanceOf(TFTError);
  return result as TFTError;
}

describe('model.json', () => {
  const predictions = { name: 'predictions', type: 'float32', shape: ['batch', 4, 3] };
  test.each<[string, string, unknown, RegExp]>([
    ['a target that is not a metric', 'target', 'gpu', /target: 'gpu' is none of the metrics/],
    ['quantiles that do not increase', 'quantiles', [0.9, 0.5, 0.1], /quantiles: must increase/],
    ['a quantile of 1', 'quantiles.2', 1, /quantiles\.2/],
    ['no quantile', 'quantiles', [], /quantiles/],
    [
      'a code missing',
      'categories.1.codes.healthy',
      undefined,
      /categories\.1\.codes: codes must be 0, 1, 2/,
    ],
    ['a code twice', 'categories.0.codes.more', 1, /categories\.0\.codes/],
    ['a metric twice', 'metrics.1.name', 'load_average', /metrics: two have the same name/],
    ['an unknown calendar feature', 'known.1', 'moon', /known\.1/],
    [
      'a longer encoder than its tensors',
      'encoderLength',
      7,
      /inputs\.encoder_cont: is float32 \[batch, 6, 3\], but the rest of the file says float32 \[batch, 7, 3\]/,
    ],
    [
      'fewer steps than its inputs can say',
      'minEncoderLength',
      3,
      /must be there if and only if .* encoder_lengths/,
    ],
    ['an input of another type', 'inputs.1.type', 'float32', /encoder_cat: is float32/],
    ['an input under another name', 'inputs.3.name', 'decoder_dog', /'decoder_cat' is missing/],
    ['an output twice', 'outputs.1', predictions, /outputs: two have the same name/],
    ['a text for a number', 'horizon', '4', /horizon/],
    ['a horizon of 0', 'horizon', 0, /horizon/],
    [
      'a variant without a hash',
      'variants',
      { fp16: { file: { path: 'a', bytes: 1 } } },
      /variants\.fp16\.file\.sha256/,
    ],
    [
      'a variant outside of the bundle',
      'variants',
      { int8: { file: { path: '../a', bytes: 1, sha256: 'f'.repeat(64) } } },
      /inside the bundle/,
    ],
    ['another schema version', 'schemaVersion', 2, /schemaVersion: must be 1/],
    [
      'a file outside the bundle',
      'files.onnx.path',
      '../x.onnx',
      /files\.onnx\.path: must be a relative path/,
    ],
    ['an absolute file', 'files.onnx.path', '/x.onnx', /files\.onnx\.path/],
    ['no model file', 'files.onnx', undefined, /files\.onnx/],
  ])('with %s', async (_what, path, value, message) => {
    edit(path, value);
    const error = await refusal();
    expect(error.code).toBe('ERR_TFT_MODEL_INVALID');
    expect(error.message).toContain(join(folder, 'model.json'));
    expect(error.message).toMatch(message);
  });

  test('that is not JSON', async () => {
    writeFileSync(join(folder, 'model.json'), '{"schemaVersion": 1,');
    expect((await refusal()).message).toContain('is not JSON');
  });

  test('of a newer exporter, with keys that this version does not know, is read', async () => {
    edit('mood', 'good');
    edit('metrics.0.colour', 'red');
    expect((await loadModel(folder)).metrics).toHaveLength(3);
  });
});

describe('files', () => {
  test('a missing bundle', async () => {
    for (const path of [join(folder, 'nothing'), join(folder, 'nothing.onnx'), join(folder, 'samples')]) {
      const error = await refusal(path);
      expect(error.code).toBe('ERR_TFT_MODEL_NOT_FOUND');
      expect(error.message).toContain(path);
    }
  });

  test('the model file missing', async () => {
    rmSync(join(folder, 'model.onnx'));
    const error = await refusal();
    expect(error.code).toBe('ERR_TFT_MODEL_NOT_FOUND');
    expect(error.message).toContain('model.onnx');
  });

  test('a file that is neither ONNX nor a plan', async () => {
    expect((await refusal(join(folder, 'samples/expected.bin'))).code).toBe('ERR_TFT_MODEL_INVALID');
  });

  test('a model file of another size or with one bit changed', async () => {
    const path = join(folder, 'model.onnx');
    const content = readFileSync(path);
    writeFileSync(path, Buffer.concat([content, Buffer.from('x')]));
    const longer = await refusal();
    expect(longer.code).toBe('ERR_TFT_MODEL_HASH');
    expect(longer.message).toContain(`found ${content.length + 1} bytes, expected ${content.length} bytes`);
    content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, content);
    expect((await refusal()).code).toBe('ERR_TFT_MODEL_HASH');
  });

  test('an ONNX file that model.json does not name runs only without a check of its hash', async () => {
    const other = join(folder, 'other.onnx');
    cpSync(join(folder, 'model.onnx'), other);
    expect((await refusal(other)).code).toBe('ERR_TFT_MODEL_HASH');
    const engine = await TFTEngine.load(other, { verifyHash: false });
    expect(engine.info.origin).toBe(other);
    await engine.close();
  });

  test('an ONNX file that ONNX Runtime cannot read', async () => {
    writeFileSync(join(folder, 'model.onnx'), 'no model');
    const error = await refusal(folder, { verifyHash: false });
    expect(error.code).toBe('ERR_TFT_MODEL_INVALID');
    expect(error.message).toMatch(/ONNX Runtime cannot load .*model\.onnx/);
  });

  test("an ONNX file with other tensors than model.json's", async () => {
    edit('metrics', [{ name: 'cpu_user_pct', unit: '%' }]);
    edit('inputs.0.shape', ['batch', 6, 1]);
    const error = await refusal();
    expect(error.code).toBe('ERR_TFT_MODEL_INVALID');
    expect(error.message).toContain(
      'encoder_cont is float32 [batch, 6, 3], model.json says float32 [batch, 6, 1]',
    );
  });

  test('readBundleFile returns a file only if it is the one described', async () => {
    const model = await loadModel(folder);
    const file = model.samples?.files.expected;
    if (file === undefined) throw new Error('the fixture has samples');
    expect(await readBundleFile(model, file)).toHaveLength(file.bytes);
    writeFileSync(join(folder, file.path), Buffer.alloc(file.bytes));
    await expect(readBundleFile(model, file)).rejects.toMatchObject({ code: 'ERR_TFT_MODEL_HASH' });
    rmSync(join(folder, file.path));
    await expect(readBundleFile(model, file)).rejects.toMatchObject({ code: 'ERR_TFT_MODEL_NOT_FOUND' });
  });
});

describe('variants', () => {
  const fp16 = (bundle: string) => {
    const content = readFileSync(join(bundle, 'model.onnx'));
    writeFileSync(join(bundle, 'model.fp16.onnx'), content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { file: { path: 'model.fp16.onnx', bytes: content.length, sha256 }, lstm: 'fp32', kept: [] };
  };

  test('are described by the model, with their accuracy', async () => {
    edit('variants', { fp16: fp16(folder) });
    edit('accuracy', { rows: [{ precision: 'fp16', within1: 0.9999 }], source: 'a test', emulated: true });
    const model = await loadModel(folder);
    expect(model.variants?.fp16?.file.path).toBe('model.fp16.onnx');
    expect(model.accuracy?.rows[0]?.within1).toBe(0.9999);
    expect((await loadModel(join(folder, 'model.fp16.onnx'))).onnxPath).toContain('fp16');
  });

  test('are not run on a CPU, which would compute in FP32 and hide their errors', async () => {
    edit('variants', { fp16: fp16(folder) });
    const error = await refusal(join(folder, 'model.fp16.onnx'), { backend: 'onnxruntime' });
    expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
    expect(error.message).toContain('fp16 variant');
  });

  test('that were changed are refused', async () => {
    edit('variants', { fp16: fp16(folder) });
    writeFileSync(join(folder, 'model.fp16.onnx'), 'changed');
    expect((await refusal(join(folder, 'model.fp16.onnx'))).code).toBe('ERR_TFT_MODEL_HASH');
  });
});

describe('options', () => {
  test.each<[unknown, RegExp]>([
    [{ bakend: 'auto' }, /"bakend"/],
    [{ backend: 'cuda' }, /backend/],
    [{ precision: 'fp8' }, /precision/],
    [{ maxBatch: 0 }, /maxBatch/],
    [{ maxBatch: 2.5 }, /maxBatch/],
    [{ queueLimit: -1 }, /queueLimit/],
    [{ threads: '2' }, /threads/],
    [{ log: console }, /log: must be a function/],
    [{ verifyHash: 1 }, /verifyHash/],
    [{ cache: true }, /cache: must be a folder or false/],
    [{ build: { profiles: [{ min: 4, opt: 2, max: 8 }] } }, /profiles\.0: min, opt and max must not fall/],
    [{ build: { optimisationLevel: 3 } }, /optimisationLevel/],
    [{ build: { versionCompatible: true } }, /allowHostCode/],
    [{ signal: {} }, /signal: must be an AbortSignal/],
    [null, /load options/],
    [7, /load options/],
  ])('%o', async (options, message) => {
    const error = await refusal(folder, options as LoadOptions);
    expect(error.code).toBe('ERR_TFT_OPTION');
    expect(error.message).toMatch(message);
  });

  test.each([undefined, null, 7, {}])('the path given as %o', async (path) => {
    const result = TFTEngine.load(path as unknown as string);
    await expect(result).rejects.toMatchObject({ code: 'ERR_TFT_OPTION' });
  });

  test('a backend requested by name never falls back', async () => {
    const none = await refusal(folder, { backend: 'tensorrt', build: false, cache: join(folder, 'cache') });
    expect(none.code).toBe('ERR_TFT_BACKEND_UNAVAILABLE');
    expect(none.message).toMatch(/there is none for .*'tft build/);
    const error = await refusal(folder, { backend: 'onnxruntime', precision: 'fp16' });
    expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
  });

  test('a backend that is not in this build is refused, and the message lists the available ones', async () => {
    const error = await refusal(folder, { backend: 'openvino' as 'auto' });
    expect(error.code).toBe('ERR_TFT_OPTION');
    expect(error.message).toMatch(/backend: .*"auto"\|"onnxruntime"\|"tensorrt"/);
  });

  test('only TensorRT runs a TensorRT plan', async () => {
    for (const name of ['tft_model_fp16.engine', 'model.plan']) {
      const plan = join(folder, name);
      expect((await refusal(plan)).code).toBe('ERR_TFT_MODEL_NOT_FOUND');
      writeFileSync(plan, 'no plan');
      // Without addon, driver, device or TensorRT, or with all of them and a file that is not a plan.
      expect((await refusal(plan)).code).toMatch(
        /^ERR_TFT_(BACKEND_UNAVAILABLE|NO_CUDA_|TENSORRT_|PLAN_INVALID)/,
      );
      expect((await refusal(plan, { backend: 'onnxruntime' })).code).toBe('ERR_TFT_UNSUPPORTED');
      expect((await refusal(plan, { quantiles: [0.5] })).code).toBe('ERR_TFT_OPTION');
    }
  });

  test('auto says why it did not use an existing plan', async () => {
    writeFileSync(join(folder, 'model.engine'), 'no plan');
    await using engine = await TFTEngine.load(folder);
    expect(engine.info.backend).toBe('onnxruntime');
    expect(engine.info.why).toMatch(/TensorRT cannot run .*model\.engine: .*ERR_TFT_/);
  });
});
