// A model's tensors are data: model.json may list inputs and outputs beyond those of the default model.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ForecastInputs, loadModel, TFTEngine, type TFTError } from '../../src/index.js';
import { bundles, HORIZON, QUANTILES, tinyAnswer, variedInputs } from '../fixtures/bundles.js';

const STATIC = 2;
let engine: TFTEngine;
beforeAll(async () => {
  engine = await TFTEngine.load(bundles.wide, { maxBatch: 4, threads: 1 });
});
afterAll(() => engine.close());

function wideInputs(batch: number, seed: number): ForecastInputs & { staticCont: Float32Array } {
  const staticCont = Float32Array.from({ length: batch * STATIC }, (_, index) => seed + index / 4);
  return { ...variedInputs(batch, seed), staticCont };
}

/** tiny's answer with the sum of each series' static values added. */
function wideAnswer(inputs: ForecastInputs & { staticCont: Float32Array }): Float32Array {
  const width = HORIZON * QUANTILES;
  return tinyAnswer(inputs).map((value, index) => {
    const series = Math.floor(index / width) * STATIC;
    return value + (inputs.staticCont[series] as number) + (inputs.staticCont[series + 1] as number);
  });
}

describe('a model with a fifth input and a second output', () => {
  test.each([1, 3, 4, 9])('forecasts %i series completely and in order', async (batch) => {
    const inputs = wideInputs(batch, 5);
    const forecast = await engine.predict(inputs);
    expect(forecast.data).toEqual(wideAnswer(inputs));
    const { metric_importance } = forecast.outputs;
    expect(metric_importance?.shape).toEqual([batch, 1, STATIC]);
    expect(metric_importance?.data).toEqual(inputs.staticCont.map((value) => 2 * value));
  });

  test('packs separate requests, each with its own part of every output', async () => {
    const requests = [wideInputs(1, 1), wideInputs(3, 2), wideInputs(2, 3)];
    const forecasts = await engine.predictBatch(requests);
    for (const [index, { data, outputs }] of forecasts.entries()) {
      const inputs = requests[index] as ReturnType<typeof wideInputs>;
      expect(data).toEqual(wideAnswer(inputs));
      expect(outputs.metric_importance?.data).toEqual(inputs.staticCont.map((value) => 2 * value));
    }
  });

  test("writes the predictions to the caller's array, and the other outputs to new ones", async () => {
    const inputs = wideInputs(6, 7);
    const out = new Float32Array(6 * HORIZON * QUANTILES);
    const { data, outputs } = await engine.predict(inputs, { out });
    expect(data).toBe(out);
    expect(out).toEqual(wideAnswer(inputs));
    expect(outputs.metric_importance?.data).toHaveLength(6 * STATIC);
  });

  test('refuses a further input that is missing, of a wrong length or not finite', async () => {
    const refusal = (inputs: ForecastInputs): Promise<TFTError> =>
      engine.predict(inputs).then(
        () => expect.unreachable(),
        (error: TFTError) => error,
      );
    const missing = await refusal(variedInputs(2, 1));
    expect(missing.code).toBe('ERR_TFT_INPUT_TYPE');
    expect(missing.message).toBe('staticCont: found undefined, expected Float32Array');
    const short = await refusal({ ...wideInputs(2, 1), ...{ staticCont: new Float32Array(3) } });
    expect(short.message).toContain('a multiple of 2 (1 steps × 2 values for each series)');
    const bad = wideInputs(2, 1);
    bad.staticCont[3] = Number.NaN;
    expect((await refusal(bad)).message).toBe(
      'staticCont[3] (series 1, step 0, channel 1) is NaN; a finite number is expected',
    );
  });
});

test('the default model has no output besides its predictions', async () => {
  await using tiny = await TFTEngine.load(bundles.tiny, { threads: 1 });
  expect((await tiny.predict(variedInputs(1, 1))).outputs).toEqual({});
});

test('an input that only the ONNX file has, or only model.json, is refused while loading', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-wide-'));
  try {
    copyFileSync(join(bundles.wide, 'model.onnx'), join(folder, 'model.onnx'));
    const model = JSON.parse(readFileSync(join(bundles.wide, 'model.json'), 'utf8'));
    const write = (inputs: unknown[]) =>
      writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...model, inputs }));
    write(model.inputs.slice(0, 4));
    await expect(TFTEngine.load(folder)).rejects.toThrow('static_cont is an input that model.json does not');
    write([...model.inputs, { name: 'events', type: 'int32', shape: ['batch', 4, 1] }]);
    await expect(TFTEngine.load(folder)).rejects.toThrow('events is missing');
    expect((await loadModel(folder)).inputs).toHaveLength(6);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
