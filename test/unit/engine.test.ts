// TFTEngine with valid input.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Forecast, type ForecastInputs, type LogEntry, TFTEngine } from '../../src/index.js';
import { bundles, constantInputs, samples, tinyAnswer, variedInputs, WIDTH } from '../fixtures/bundles.js';

let engine: TFTEngine;
const { inputs, expected, count } = samples();

beforeAll(async () => {
  engine = await TFTEngine.load(bundles.tiny);
});
afterAll(() => engine.close());

describe('loading', () => {
  test('a bundle folder, its ONNX file and its model.json are the same model', async () => {
    for (const path of [bundles.tiny, `${bundles.tiny}/model.onnx`, `${bundles.tiny}/model.json`]) {
      const one = await TFTEngine.load(path);
      expect(one.model.name).toBe('tiny');
      expect((await one.predict(inputs)).data).toEqual(expected);
      await one.close();
    }
  });

  test('info says what runs, and the log says why', async () => {
    const log: LogEntry[] = [];
    const one = await TFTEngine.load(bundles.tiny, {
      precision: 'int8',
      threads: 1,
      maxBatch: 3,
      queueLimit: 17,
      log: (entry) => log.push(entry),
    });
    expect(one.info).toMatchObject({
      backend: 'onnxruntime',
      precision: 'fp32',
      threads: 1,
      maxBatch: 3,
      queueLimit: 17,
      origin: `${bundles.tiny}/model.onnx`,
    });
    expect(one.info.device).toMatch(/^CPU \(.+\)$/);
    expect(one.info.why).toMatch(/there is no TensorRT plan in int8 here.*not in int8/);
    expect(Object.keys(one.info.versions)).toEqual(['tft-tensorrt', 'node', 'onnxruntime']);
    expect(log.map((entry) => entry.message).join('\n')).toContain(one.info.why);
    await one.close();
  });

  test('the model description cannot be changed by accident', () => {
    expect(() => {
      (engine.model.quantiles as number[])[0] = 0.2;
    }).toThrow(TypeError);
  });
});

describe('predict', () => {
  test('gives the expected output for the sample windows', async () => {
    const forecast = await engine.predict(inputs);
    expect(forecast).toBeInstanceOf(Forecast);
    expect(forecast.shape).toEqual([count, 4, 3]);
    expect(forecast.quantiles).toEqual([0.1, 0.5, 0.9]);
    expect(forecast.data).toEqual(expected);
  });

  test('quantile() copies one quantile out', async () => {
    const forecast = await engine.predict(inputs);
    const median = forecast.quantile(0.5);
    expect(median).toEqual(expected.filter((_, index) => index % 3 === 1));
    median.fill(-1);
    expect(forecast.data).toEqual(expected);
  });

  test('a batch over the maximum runs in parts, whatever its size', async () => {
    for (const batch of [1, 7, 8, 9, 16, 17, 100]) {
      const many = variedInputs(batch, batch);
      expect((await engine.predict(many)).data).toEqual(tinyAnswer(many));
    }
  });

  test('the arrays may be reused, and even transferred away, as soon as predict returns', async () => {
    const mine = variedInputs(20, 1);
    const right = tinyAnswer(mine);
    const running = engine.predict(mine);
    const waiting = engine.predict(mine);
    mine.encoderCont.fill(Number.NaN);
    mine.encoderCat.fill(-1);
    structuredClone(mine.decoderCont.buffer, { transfer: [mine.decoderCont.buffer as ArrayBuffer] });
    expect((await running).data).toEqual(right);
    expect((await waiting).data).toEqual(right);
  });

  test('subarrays are read in place', async () => {
    const padded = (array: Float32Array | Int32Array) => {
      const wide = new (array.constructor as Float32ArrayConstructor)(array.length + 10).fill(9e9);
      wide.set(array, 3);
      return wide.subarray(3, 3 + array.length);
    };
    const parts = Object.fromEntries(
      Object.entries(inputs).map(([name, array]) => [name, padded(array)]),
    ) as unknown as ForecastInputs;
    expect((await engine.predict(parts)).data).toEqual(expected);
  });

  test('views of SharedArrayBuffers are read and written', async () => {
    const shared = (array: Float32Array | Int32Array) => {
      const view = new (array.constructor as Float32ArrayConstructor)(
        new SharedArrayBuffer(array.byteLength) as unknown as ArrayBuffer,
      );
      view.set(array);
      return view;
    };
    const parts = Object.fromEntries(
      Object.entries(inputs).map(([name, array]) => [name, shared(array)]),
    ) as unknown as ForecastInputs;
    const out = shared(new Float32Array(count * WIDTH));
    const forecast = await engine.predict(parts, { out });
    expect(forecast.data).toBe(out);
    expect(out).toEqual(expected);
  });

  test('out receives the result in place, even of a batch that runs in parts', async () => {
    for (const batch of [2, 8, 21]) {
      const many = variedInputs(batch, 5);
      const wide = new Float32Array(batch * WIDTH + 4).fill(7);
      const out = wide.subarray(2, -2);
      const forecast = await engine.predict(many, { out });
      expect(forecast.data).toBe(out);
      expect(out).toEqual(tinyAnswer(many));
      expect([wide[0], wide[1], wide.at(-2), wide.at(-1)]).toEqual([7, 7, 7, 7]);
    }
  });

  test('results belong to the caller: later ones do not change them', async () => {
    const first = await engine.predict(inputs);
    await engine.predict(constantInputs(count, 3));
    expect(first.data).toEqual(expected);
  });
});

describe('predictBatch', () => {
  test('gives each request its own forecast, in order', async () => {
    const requests = [1, 3, 2, 8, 1, 11, 5].map((batch, seed) => variedInputs(batch, seed));
    const forecasts = await engine.predictBatch(requests);
    expect(forecasts.map((forecast) => forecast.data)).toEqual(requests.map(tinyAnswer));
    expect(forecasts.map((forecast) => forecast.shape[0])).toEqual([1, 3, 2, 8, 1, 11, 5]);
    expect(new Set(forecasts.map((forecast) => forecast.data.buffer)).size).toBe(requests.length);
  });

  test('writes all forecasts into out, one after another', async () => {
    const requests = [variedInputs(2, 1), variedInputs(12, 2)];
    const out = new Float32Array(14 * WIDTH);
    const [first, second] = await engine.predictBatch(requests, { out });
    expect(first?.data).toEqual(tinyAnswer(requests[0] as ForecastInputs));
    expect(second?.data).toEqual(tinyAnswer(requests[1] as ForecastInputs));
    expect(first?.data.buffer).toBe(out.buffer);
    expect(second?.data.byteOffset).toBe(2 * WIDTH * 4);
  });

  test('packs separate requests into one run', async () => {
    const witness = await TFTEngine.load(bundles.witness, { maxBatch: 8, threads: 1 });
    const forecasts = await witness.predictBatch([1, 2, 3, 4, 5].map((value) => constantInputs(1, value)));
    expect(forecasts.map(({ data }) => [...data.subarray(0, 3)])).toEqual(
      [1, 2, 3, 4, 5].map((value) => [5, value - 1, value]),
    );
    await witness.close();
  });
});

describe('the rest', () => {
  test('warmup runs without input, for default and chosen batch sizes', async () => {
    await engine.warmup();
    await engine.warmup({ batches: [1, 2, 30] });
    await expect(engine.warmup({ batches: [0] })).rejects.toMatchObject({ code: 'ERR_TFT_OPTION' });
  });

  test('predictSync is refused with a code on this backend', () => {
    expect(() => engine.predictSync(inputs)).toThrow(
      expect.objectContaining({ code: 'ERR_TFT_UNSUPPORTED' }),
    );
  });

  test('several engines work side by side, and one outlives the other', async () => {
    const other = await TFTEngine.load(bundles.tiny);
    const both = await Promise.all([engine.predict(inputs), other.predict(inputs)]);
    expect(both.map((forecast) => forecast.data)).toEqual([expected, expected]);
    await other.close();
    expect((await engine.predict(inputs)).data).toEqual(expected);
  });

  test('Symbol.asyncDispose closes', async () => {
    const one = await TFTEngine.load(bundles.tiny);
    await one[Symbol.asyncDispose]();
    await expect(one.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_CLOSED' });
  });
});
