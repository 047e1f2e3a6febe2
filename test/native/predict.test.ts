// The shipped addon over the doubles of CUDA and TensorRT: right results whatever the callers do. The doubles' memory is
// poisoned until its copy has run, so a missing synchronisation gives a wrong result.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ForecastInputs, TFTEngine } from '../../src/index.js';
import { constantInputs, inMemory, variedInputs, WIDTH } from '../fixtures/bundles.js';
import {
  bundleWithPlan,
  doubleAnswer,
  doublePlan,
  MAJORS,
  onDoubles,
  whatIsMissing,
} from '../fixtures/doubles.js';

const missing = whatIsMissing();
if (missing) console.warn(`native tests are skipped: ${missing}`);

describe.skipIf(missing).each(MAJORS)('on TensorRT %i', (major) => {
  const bundle = bundleWithPlan();
  let engine: TFTEngine;
  beforeAll(async () => {
    engine = await TFTEngine.load(bundle.folder, { backend: 'tensorrt', tensorrt: onDoubles(major) });
  });
  afterAll(async () => {
    await engine.close();
    bundle.remove();
  });

  test('every batch from one series to beyond the maximum', async () => {
    expect(engine.info.maxBatch).toBe(8);
    for (let batch = 1; batch <= 27; batch++) {
      const inputs = variedInputs(batch, batch);
      const forecast = await engine.predict(inputs);
      expect(forecast.shape).toEqual([batch, 4, 3]);
      expect(forecast.data).toEqual(doubleAnswer(inputs));
    }
  });

  test('results of 64 KiB and more, which the engine writes in place', async () => {
    const inputs = variedInputs(1401, 3);
    const { data } = await engine.predict(inputs);
    expect(data).toEqual(doubleAnswer(inputs));
    const aborted = new AbortController();
    const dropped = engine.predict(inputs, { signal: aborted.signal });
    const requests = [variedInputs(700, 4), variedInputs(701, 5)];
    const forecasts = engine.predictBatch(requests, { borrow: true });
    aborted.abort();
    await expect(dropped).rejects.toMatchObject({ code: 'ERR_TFT_ABORTED' });
    expect((await forecasts).map(({ data }) => data)).toEqual(requests.map((each) => doubleAnswer(each)));
    // The caller's own, like every array of a result.
    const moved = structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
    expect(moved).toEqual(doubleAnswer(inputs));
  });

  test("large results in the caller's shared memory, which the engine writes in place", async () => {
    const sharedOut = () => new Float32Array(new SharedArrayBuffer(1401 * WIDTH * 4));
    const requests = [6, 7].map((seed) => ({ inputs: variedInputs(1401, seed), out: sharedOut() }));
    const forecasts = await Promise.all(requests.map(({ inputs, out }) => engine.predict(inputs, { out })));
    for (const [index, { inputs, out }] of requests.entries()) {
      expect(forecasts[index]?.data).toBe(out);
      expect(out).toEqual(doubleAnswer(inputs));
    }
    const parts = [variedInputs(700, 4), variedInputs(701, 5)];
    const out = sharedOut();
    const batch = await engine.predictBatch(parts, { out, borrow: true });
    expect(batch.map(({ data }) => data)).toEqual(parts.map((each) => doubleAnswer(each)));
    expect(batch[1]?.data.buffer).toBe(out.buffer);
  });

  test('predictSync, every batch', () => {
    for (let batch = 1; batch <= 27; batch++) {
      const inputs = variedInputs(batch, batch);
      expect(engine.predictSync(inputs).data).toEqual(doubleAnswer(inputs));
    }
  });

  test('many concurrent callers, some of them blocking', async () => {
    const requests = Array.from({ length: 300 }, (_, seed) => variedInputs(1 + (seed % 11), seed));
    const results = requests.map((inputs, index) =>
      index % 50 === 49 ? engine.predictSync(inputs) : engine.predict(inputs),
    );
    const forecasts = await Promise.all(results);
    forecasts.forEach(({ data }, index) => {
      expect(data).toEqual(doubleAnswer(requests[index] as ForecastInputs));
    });
  });

  test('predictBatch packs separate requests', async () => {
    const requests = [1, 5, 9, 2, 1].map((batch, seed) => variedInputs(batch, seed));
    const forecasts = await engine.predictBatch(requests);
    expect(forecasts.map(({ data }) => data)).toEqual(requests.map((inputs) => doubleAnswer(inputs)));
  });

  test('the caller may reuse, change or transfer its arrays at once', async () => {
    const inputs = variedInputs(20, 3);
    const expected = doubleAnswer(inputs);
    const changed = engine.predict(inputs);
    inputs.encoderCont.fill(1);
    inputs.decoderCat.fill(0);
    const transferred = engine.predict(inputs);
    const second = doubleAnswer(inputs);
    structuredClone(null, { transfer: [inputs.encoderCont.buffer as ArrayBuffer] });
    expect((await changed).data).toEqual(expected);
    expect((await transferred).data).toEqual(second);
    await expect(engine.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_INPUT_LENGTH' });
    expect(() => engine.predictSync(inputs)).toThrowError(/detached/);
  });

  test('views into larger memory, shared memory, and memory that grows', async () => {
    const inputs = variedInputs(3, 5);
    const expected = doubleAnswer(inputs);
    const within = <T extends Float32Array | Int32Array>(array: T, memory: ArrayBufferLike): T => {
      const view = new (array.constructor as new (m: ArrayBufferLike, o: number, l: number) => T)(
        memory,
        8,
        array.length,
      );
      view.set(array);
      return view;
    };
    const kinds: ((bytes: number) => ArrayBufferLike)[] = [
      (bytes) => new ArrayBuffer(bytes + 16),
      (bytes) => new SharedArrayBuffer(bytes + 16),
      (bytes) =>
        new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(bytes + 16, {
          maxByteLength: 2 * bytes + 16,
        }),
    ];
    for (const memory of kinds) {
      const views: ForecastInputs = {
        encoderCont: within(inputs.encoderCont, memory(inputs.encoderCont.byteLength)),
        encoderCat: within(inputs.encoderCat, memory(inputs.encoderCat.byteLength)),
        decoderCont: within(inputs.decoderCont, memory(inputs.decoderCont.byteLength)),
        decoderCat: within(inputs.decoderCat, memory(inputs.decoderCat.byteLength)),
      };
      expect((await engine.predict(views)).data).toEqual(expected);
      expect(engine.predictSync(views).data).toEqual(expected);
    }
  });

  test('the result goes to `out`, also in shared memory', async () => {
    const inputs = variedInputs(10, 9);
    for (const memory of [new ArrayBuffer(10 * WIDTH * 4), new SharedArrayBuffer(10 * WIDTH * 4)]) {
      const out = new Float32Array(memory);
      expect((await engine.predict(inputs, { out })).data).toBe(out);
      expect(out).toEqual(doubleAnswer(inputs));
      out.fill(0);
      expect(engine.predictSync(inputs, { out }).data).toBe(out);
      expect(out).toEqual(doubleAnswer(inputs));
    }
  });

  test.each([
    ['', (inputs: ForecastInputs) => inputs],
    [
      ' in shared memory',
      (inputs: ForecastInputs) => inMemory(inputs, (bytes) => new SharedArrayBuffer(bytes)),
    ],
  ])(
    'a bad value of a large request%s, which is checked while it is copied, is named as that of a small one',
    async (_, place) => {
      const series = 40_000; // over 2 MiB
      const large = place(variedInputs(series, 1));
      const forecast = await engine.predict(large);
      expect(forecast.data).toEqual(doubleAnswer(large));
      const last = large.encoderCont.length - 1;
      large.encoderCont[last] = Number.NaN;
      large.decoderCat[0] = -1; // earlier, but in a later tensor
      await expect(engine.predict(large)).rejects.toMatchObject({
        code: 'ERR_TFT_INPUT_VALUE',
        details: { tensor: 'encoderCont', index: last },
      });
      expect(() => engine.predictSync(large)).toThrowError(/encoderCont/);
      large.encoderCont[last] = 1;
      const parts = [variedInputs(2, 3), large];
      await expect(engine.predictBatch(parts)).rejects.toMatchObject({
        code: 'ERR_TFT_INPUT_CATEGORY',
        details: { tensor: 'decoderCat', index: 0, found: -1 },
      });
      large.decoderCat[0] = 1;
      expect(engine.predictSync(large).data).toEqual(doubleAnswer(large));
      const small = variedInputs(2, 3);
      expect((await engine.predict(small)).data).toEqual(doubleAnswer(small));
    },
  );

  test('info describes the engine', () => {
    expect(engine.info).toMatchObject({
      backend: 'tensorrt',
      precision: 'unknown',
      threads: 2,
      queueLimit: 4096,
      why: 'asked for by name',
      origin: bundle.plan,
    });
    expect(engine.info.versions.tensorrt).toMatch(new RegExp(`^${major}\\.\\d+`));
    expect(engine.info.device).not.toBe('');
  });

  test('warmup, whole and by batch', async () => {
    await engine.warmup();
    await engine.warmup({ batches: [3, 20] });
    expect((await engine.predict(constantInputs(1, 2))).data).toEqual(doubleAnswer(constantInputs(1, 2)));
  });
});

test.skipIf(missing).each([
  [1, 1],
  [3, 1],
  [8, 1],
  [2, 2],
])('%i lanes on each of %i devices', async (lanes, count) => {
  const bundle = bundleWithPlan({ 'model_fp16.engine': doublePlan({ maxBatch: 4 }) });
  try {
    await using engine = await TFTEngine.load(bundle.plan, {
      precision: 'fp16',
      tensorrt: onDoubles(10, { lanes, devices: [0, 1].slice(0, count) }),
    });
    expect(engine.info).toMatchObject({ threads: lanes * count, precision: 'fp16', maxBatch: 4 });
    const requests = Array.from({ length: 100 }, (_, seed) => variedInputs(1 + (seed % 6), seed));
    const forecasts = await Promise.all(requests.map((inputs) => engine.predict(inputs)));
    forecasts.forEach(({ data }, index) => {
      expect(data).toEqual(doubleAnswer(requests[index] as ForecastInputs));
    });
  } finally {
    bundle.remove();
  }
});
