// Models that were trained on shorter encoders too: series with less history than the encoder has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readHistory } from '../../src/history/index.js';
import { type ForecastInputs, TFTEngine, type TFTError } from '../../src/index.js';
import { published } from '../fixtures/bundles.js';

const file = join(published.stallion, 'history.csv');
const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
/** Its history has as many rows as the model takes at least. */
const SHORTEST = 'Agency_01/SKU_00';

let engine: TFTEngine;
beforeAll(async () => {
  engine = await TFTEngine.load(published.stallion, { threads: 1 });
});
afterAll(() => engine.close());

const ofShortest = (line: string) => line.includes('Agency_01,SKU_00');
const readLines = (kept: readonly string[]) =>
  readHistory(Readable.from([kept.join('\n')]), engine.model, { until: '2017-06-01T00:00Z' });

async function inputsOf(server: string): Promise<ForecastInputs & { encoderLengths: Int32Array }> {
  const history = await readHistory(file, engine.model);
  const window = history.windows().servers.find((one) => one.server === server);
  return window?.inputs as ForecastInputs & { encoderLengths: Int32Array };
}

test('they are forecast from the steps that they have, with a warning', async () => {
  const { minEncoderLength = 0, encoderLength } = engine.model;
  const { forecasts, warnings } = await engine.forecast(await readHistory(file, engine.model));
  expect(forecasts.map(({ server, history }) => [server, history.length])).toEqual([
    ['Agency_00/SKU_00', encoderLength],
    ['Agency_00/SKU_01', encoderLength],
    ['Agency_00/SKU_02', minEncoderLength + 5],
    [SHORTEST, minEncoderLength],
  ]);
  expect(warnings).toEqual([
    expect.objectContaining({ kind: 'short', server: 'Agency_00/SKU_02', count: 7 }),
    expect.objectContaining({ kind: 'short', server: SHORTEST, count: 12 }),
  ]);
  expect(warnings[1]?.message).toMatch(/has 12 of the 24 steps that the model can read/);
});

test('with fewer than the model was trained on they are refused, with what is needed', async () => {
  const first = lines.findIndex(ofShortest);
  const { servers, refused } = (await readLines(lines.toSpliced(first, 1))).windows();
  expect(servers).toHaveLength(3);
  expect(refused).toEqual([expect.objectContaining({ server: SHORTEST, code: 'ERR_TFT_HISTORY_SHORT' })]);
  expect(refused[0]?.message).toMatch(/has 11 steps .* of history, .*; 12 steps .* are needed/);
});

test('after a gap that is too long to fill, what follows counts as the series', async () => {
  const own = lines.flatMap((line, index) => (line.includes('Agency_00,SKU_00') ? [index] : []));
  const { servers } = (await readLines(lines.toSpliced(own[3] as number, 2))).windows();
  expect(servers[0]).toMatchObject({ server: 'Agency_00/SKU_00', steps: 24 - 5 });
});

test("what an input holds before a series' own steps is not read", async () => {
  const inputs = await inputsOf(SHORTEST);
  const { model } = engine;
  const expected = await engine.predict(inputs);
  const absent = model.encoderLength - (inputs.encoderLengths[0] as number);
  const encoderCont = inputs.encoderCont.slice().fill(-3e30, 0, absent * model.metrics.length);
  const encoderCat = inputs.encoderCat.slice().fill(1, 0, absent * model.categories.length);
  expect((await engine.predict({ ...inputs, encoderCont, encoderCat })).data).toEqual(expected.data);
});

test('other series of a batch do not change the forecast', async () => {
  const [short, whole] = [await inputsOf(SHORTEST), await inputsOf('Agency_00/SKU_00')];
  const both = Object.fromEntries(
    Object.entries(short).map(([key, values]) => {
      const joined = new (values.constructor as Float32ArrayConstructor)(2 * values.length);
      joined.set(values);
      joined.set((whole as unknown as Record<string, Float32Array>)[key] as Float32Array, values.length);
      return [key, joined];
    }),
  ) as unknown as ForecastInputs;
  const [alone, together] = [await engine.predict(short), await engine.predict(both)];
  const largest = Math.max(...alone.data.map((value, at) => Math.abs(value - (together.data[at] as number))));
  expect(largest).toBeLessThan(1e-5 * Math.max(...alone.data));
});

test.each([11, 25, 0, -1])('a series of %i steps is refused by its place', async (steps) => {
  const inputs: ForecastInputs = Object.assign(await inputsOf(SHORTEST), {
    encoderLengths: Int32Array.of(steps),
  });
  const refusal: TFTError = await engine.predict(inputs).then(
    () => undefined,
    (error) => error,
  );
  expect(refusal.code).toBe('ERR_TFT_INPUT_VALUE');
  expect(refusal.message).toBe(
    `encoderLengths[0] (series 0) is ${steps}; a number of steps from 12 to 24 is expected`,
  );
});
