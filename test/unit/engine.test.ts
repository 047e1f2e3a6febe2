// TFTEngine with valid input.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Forecast, type LogEntry, TFTEngine } from '../../src/index.js';
import { bundles, constantInputs, samples } from '../fixtures/bundles.js';

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
});

describe('predictBatch', () => {
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
  test('several engines work side by side, and one outlives the other', async () => {
    const other = await TFTEngine.load(bundles.tiny);
    const both = await Promise.all([engine.predict(inputs), other.predict(inputs)]);
    expect(both.map((forecast) => forecast.data)).toEqual([expected, expected]);
    await other.close();
    expect((await engine.predict(inputs)).data).toEqual(expected);
  });
});
