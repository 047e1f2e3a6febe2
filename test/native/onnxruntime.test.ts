// ONNX Runtime in the addon's own threads: what the conformance suite does not ask.
import { getPriority } from 'node:os';
import { describe, expect, test } from 'vitest';
import { type LoadOptions, TFTEngine } from '../../src/index.js';
import { loadAddon } from '../../src/native/load-addon.js';
import { bundles, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { DEMO, demoSamples, largestDifference, windows } from '../fixtures/demo-samples.js';
import { threadsBelow } from '../fixtures/priorities.js';

function isThere(): boolean {
  try {
    return loadAddon().loadOnnxRuntime !== undefined;
  } catch {
    return false;
  }
}

const load = (path: string, options: LoadOptions = {}) =>
  TFTEngine.load(path, { backend: 'onnxruntime', threads: 2, ...options, onnxruntime: { native: true } });

describe.skipIf(!isThere())('onnxruntime: { native: true }', () => {
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

test('without it, predictSync names the option', async () => {
  await using engine = await TFTEngine.load(bundles.tiny, { backend: 'onnxruntime', threads: 1 });
  expect(() => engine.predictSync(variedInputs(1, 1))).toThrow(/onnxruntime: \{ native: true \}/);
});
