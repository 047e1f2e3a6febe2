// ONNX Runtime in the addon's own threads: what the conformance suite does not ask.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSamples } from '../../src/entries/build.js';
import { type ForecastInputs, type LoadOptions, loadModel, TFTEngine } from '../../src/index.js';
import { bundles, published, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { DEMO, demoSamples, largestDifference, windows } from '../fixtures/demo-samples.js';
import { IN_WORKERS, whyNotInTheAddon } from '../fixtures/native-onnxruntime.js';
import { threadsBelow } from '../fixtures/priorities.js';

const load = (path: string, { onnxruntime, ...options }: LoadOptions = {}) =>
  TFTEngine.load(path, {
    backend: 'onnxruntime',
    threads: 2,
    ...options,
    onnxruntime: { ...onnxruntime, native: true },
  });

describe.skipIf(whyNotInTheAddon())('onnxruntime: { native: true }', () => {
  test('a lone request is divided among the threads', async () => {
    await using engine = await load(bundles.tiny);
    await engine.warmup();
    const inputs = variedInputs(8, 1);
    expect((await engine.predict(inputs)).data).toEqual(tinyAnswer(inputs));
    expect(engine.counters()).toMatchObject({ batches: 2, servers: 8 });
  });

  test("the threads that compute have the caller's priority, or a lower one if asked for", async () => {
    await using _ = await load(bundles.tiny);
    expect(threadsBelow(getPriority())).toBe(0);
    await using engine = await load(bundles.tiny, { nice: 5 });
    await engine.warmup();
    expect(threadsBelow(getPriority())).toBe(2);
  });

  test('the graph that explains has its further outputs', async () => {
    const samples = await demoSamples();
    const inputs = windows(samples, 0, 3);
    await using engine = await load(DEMO, { explain: true });
    await using workers = await TFTEngine.load(DEMO, { backend: 'onnxruntime', threads: 1, explain: true });
    expect(engine.info).toMatchObject({ backend: 'onnxruntime', threads: 2, maxBatch: 8 });
    expect(engine.info.versions).toEqual(workers.info.versions);
    const [native, expected] = [await engine.predict(inputs), await workers.predict(inputs)];
    expect(largestDifference(samples, native.data)).toBeLessThan(1e-4);
    const names = Object.keys(expected.outputs);
    expect(names).toHaveLength(4);
    expect(Object.keys(native.outputs)).toEqual(names);
    for (const name of names) {
      const [ours, theirs] = [native.outputs[name], expected.outputs[name]];
      expect(ours?.shape).toEqual(theirs?.shape);
      const away = Float32Array.from(theirs?.data ?? [], (value, i) =>
        Math.abs(value - (ours?.data[i] as number)),
      );
      expect(Math.max(...away)).toBeLessThan(1e-5);
    }
  });

  test("the package's kernels run the demo model, unless they are turned off", async () => {
    const samples = await demoSamples();
    const inputs = windows(samples, 0, 32);
    const lines: string[] = [];
    const log = ({ message }: { message: string }) => lines.push(message);
    await using ours = await load(DEMO, { log });
    const { data } = await ours.predict(inputs);
    expect(lines.join('\n')).toMatch(/kernels of tft-tensorrt run preprocess, .*decoder/);
    expect(lines.join('\n')).not.toMatch(/no kernel for/);
    expect(ours.info.kernels).toEqual({
      parts: expect.arrayContaining(['preprocess', 'encoder_selection', 'recurrent', 'decoder']),
      instructions: expect.stringMatching(/^(AVX-512|AVX2|baseline)$/),
    });
    lines.length = 0;
    await using theirs = await load(DEMO, { log, onnxruntime: { kernels: false } });
    const expected = (await theirs.predict(inputs)).data;
    expect(theirs.info.kernels).toBeUndefined();
    expect(lines.join('\n')).not.toMatch(/kernel/);
    const away = Float32Array.from(data, (value, i) => Math.abs(value - (expected[i] as number)));
    expect(Math.max(...away) / samples.spread).toBeLessThan(2e-5);
    expect(largestDifference(samples, data)).toBeLessThan(1e-4);
  });

  test('they run a model of windows of several lengths and with sums of embeddings', async () => {
    const samples = await readSamples(await loadModel(published.stallion));
    const { encoderLengths } = samples.inputs as ForecastInputs & { encoderLengths: Int32Array };
    expect(new Set(encoderLengths).size).toBeGreaterThan(1);
    await using ours = await load(published.stallion);
    expect(ours.info.kernels?.parts).toEqual(
      expect.arrayContaining(['encoder_selection', 'decoder_selection', 'recurrent', 'decoder']),
    );
    const { data } = await ours.predict(samples.inputs);
    expect(largestDifference(samples, data)).toBeLessThan(1e-5);
  });

  test('a model that ONNX Runtime refuses with them runs without them, and the log says why', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-'));
    try {
      cpSync(DEMO, folder, { recursive: true });
      // An entry of the exporter that puts numbers where codes belong.
      const file = readFileSync(join(DEMO, 'model.onnx'), 'latin1');
      const wrong = file.replace('input code0 select\n', 'input code0 mean_1\n');
      expect(wrong).not.toBe(file);
      writeFileSync(join(folder, 'model.onnx'), wrong, 'latin1');
      const warnings: string[] = [];
      const log: LoadOptions['log'] = ({ level, message }) => level === 'warn' && warnings.push(message);
      await using engine = await load(folder, { log, verifyHash: false });
      expect(warnings).toEqual([
        expect.stringMatching(/^ONNX Runtime does not accept the library's kernels: .*TftVariableSelection/),
      ]);
      const samples = await demoSamples();
      const { data } = await engine.predict(windows(samples, 0, 4));
      expect(largestDifference(samples, data)).toBeLessThan(1e-4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('threads that share the model get the same forecasts as one alone', async () => {
    const samples = await demoSamples();
    await using engine = await load(DEMO, { threads: 4, maxBatch: 1 });
    const alone: Float32Array[] = [];
    for (let i = 0; i < 16; i++) alone.push((await engine.predict(windows(samples, i, i + 1))).data);
    const together = await Promise.all(
      Array.from({ length: 128 }, (_, i) => engine.predict(windows(samples, i % 16, (i % 16) + 1))),
    );
    together.forEach(({ data }, i) => {
      expect(data).toEqual(alone[i % 16]);
    });
  });

  test('a library that is not there is named, and a process runs one', async () => {
    const other = { native: true, library: '/nowhere/libonnxruntime.so.1' };
    await using first = await load(bundles.tiny);
    const refused = TFTEngine.load(bundles.tiny, { backend: 'onnxruntime', onnxruntime: other });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_TFT_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/\/nowhere\/libonnxruntime\.so\.1.*libonnxruntime\.so/),
    });
    expect((await first.predict(variedInputs(1, 1))).shape).toEqual([1, 4, 3]);
  });
});

test('worker threads have no predictSync, and say so', async () => {
  await using engine = await TFTEngine.load(bundles.tiny, {
    backend: 'onnxruntime',
    ...IN_WORKERS,
    threads: 1,
  });
  expect(() => engine.predictSync(variedInputs(1, 1))).toThrow(/in worker threads/);
});
