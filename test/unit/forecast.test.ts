// What a caller reads of a forecast: numbers by series, step and quantile, bands, names and times, JSON.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { forecastSchema } from '../../src/forecast-schema.js';
import {
  emptyInputs,
  FleetHistory,
  Forecast,
  forecastFleet,
  type HistoryRow,
  TFTEngine,
} from '../../src/index.js';
import { bundles, constantInputs, tinyAnswer } from '../fixtures/bundles.js';

let engine: TFTEngine;
beforeAll(async () => {
  engine = await TFTEngine.load(bundles.tiny);
});
afterAll(() => engine.close());

const T0 = Date.UTC(2026, 0, 7, 8);
const STEP = 15 * 60_000;
const code = (name: string) => expect.objectContaining({ code: name });

/** A row of the bundle tiny. */
function row(server_name: string, step: number, cpu = step): HistoryRow {
  const metrics = { cpu_user_pct: cpu, net_in_mb_s: 0, load_average: 0 };
  return { timestamp: T0 + step * STEP, server_name, profile: 'web_api', status: 'healthy', metrics };
}
const rowsOf = (server: string, count: number) =>
  Array.from({ length: count }, (_, step) => row(server, step));

function historyOf(...rows: HistoryRow[]): FleetHistory {
  const history = new FleetHistory(engine.model);
  history.addAll(rows);
  return history;
}

describe('a forecast', () => {
  const data = Float32Array.from([0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13, 23]);
  const forecast = new Forecast(data, [2, 2, 3], [0.1, 0.5, 0.9]);

  test('gives one number by series, step and quantile, on a line between the quantiles of the model', () => {
    expect(forecast.at(1, 0)).toBe(12);
    expect(forecast.at(1, 1, 0.9)).toBe(23);
    expect(forecast.at(0, 0, 0.3)).toBeCloseTo(5, 5);
    expect(forecast.quantile(0.7)).toEqual(Float32Array.from([15, 16, 17, 18]));
  });

  test('gives the central band of a share of outcomes', () => {
    const { low, high } = forecast.band(0.8);
    expect([...low]).toEqual([0, 1, 2, 3]);
    expect([...high]).toEqual([20, 21, 22, 23]);
    expect([...forecast.series(1).band(0.4).high]).toEqual([17, 18]);
  });

  test('is a list of series, each a view', () => {
    expect([...forecast].map((series) => [...series.quantile(0.5)])).toEqual([
      [10, 11],
      [12, 13],
    ]);
    expect(forecast.series(1).values.buffer).toBe(data.buffer);
    expect(forecast.series(1).times).toBeUndefined();
  });

  test('refuses what is not there, naming what is', () => {
    expect(() => forecast.quantile(0.95)).toThrow(
      'quantile 0.95: this model predicts 0.1, 0.5, 0.9, and nothing below 0.1 or above 0.9',
    );
    expect(() => forecast.band(0.9)).toThrow(code('ERR_TFT_OPTION'));
    expect(() => forecast.quantile(Number.NaN)).toThrow(code('ERR_TFT_OPTION'));
    expect(() => forecast.at(2, 0)).toThrow('series 2: the series are 0 to 1');
    expect(() => forecast.at(0, 2)).toThrow('step 2: the steps are 0 to 1');
    expect(() => forecast.series('web')).toThrow("series 'web': this forecast has no names; give an index");
  });

  test('is small as JSON, its numbers the shortest that are the same float32', () => {
    const one = new Forecast(Float32Array.from([0.1, 1 / 3, 16_777_216]), [1, 1, 3], [0.1, 0.5, 0.9]);
    expect(JSON.parse(JSON.stringify(one))).toEqual({
      sorted: false,
      clipped: false,
      forecasts: [{ quantiles: [0.1, 0.5, 0.9], values: [[0.1, 0.33333334, 16_777_216]] }],
    });
  });
});

describe('predict', () => {
  const crossed = { ...constantInputs(2), encoderCont: new Float32Array(36).fill(-40) };

  test("gives the network's own numbers unless asked for others", async () => {
    const raw = await engine.predict(crossed);
    expect(raw.data).toEqual(tinyAnswer(crossed));
    expect([raw.sorted, raw.clipped]).toEqual([false, false]);
    expect(Math.max(...raw.data)).toBeLessThan(0);
  });

  test('keeps numbers within the range of the target where asked, in every way to predict', async () => {
    const kept = await engine.predict(crossed, { clipped: true });
    expect(kept.clipped).toBe(true);
    expect(new Set(kept.data)).toEqual(new Set([0]));
    const [first, second] = await engine.predictBatch([crossed, constantInputs(1, 3)], { clipped: true });
    expect(new Set(first?.data)).toEqual(new Set([0]));
    expect(second?.data).toEqual(tinyAnswer(constantInputs(1, 3)));
    const out = new Float32Array(24);
    expect((await engine.predict(crossed, { clipped: true, out })).data).toBe(out);
    expect(Math.min(...out)).toBe(0);
  });

  test('refuses an option that is no choice', async () => {
    await expect(engine.predict(crossed, { sorted: 1 as never })).rejects.toThrow('sorted: found number');
  });

  test('puts quantiles in order where the network lets them cross', async () => {
    const wrong = await TFTEngine.load(bundles.witness);
    const inputs = emptyInputs(wrong.model, 1);
    for (let at = 0; at < inputs.encoderCont.length; at++) inputs.encoderCont[at] = (at * 37) % 101;
    const raw = await wrong.predict(inputs);
    const sorted = await wrong.predict(inputs, { sorted: true });
    await wrong.close();
    const inOrder = (data: Float32Array) => {
      const steps = Array.from({ length: data.length / 3 }, (_, step) => [
        ...data.subarray(step * 3, step * 3 + 3),
      ]);
      return steps.flatMap((step) => step.sort((a, b) => a - b));
    };
    expect([...sorted.data]).toEqual(inOrder(raw.data));
    expect([...raw.data]).not.toEqual([...sorted.data]);
  });
});

describe('a forecast of a history', () => {
  test('has names, times, unit, what was refused and warnings', async () => {
    const forecast = await engine.forecast(
      historyOf(...rowsOf('vm10', 6), ...rowsOf('vm2', 6), ...rowsOf('new', 2)),
    );
    expect(forecast.shape).toEqual([2, 4, 3]);
    expect(forecast.forecasts.map(({ server }) => server)).toEqual(['vm2', 'vm10']);
    const one = forecast.series('vm10');
    expect(one.now).toBe(5);
    expect([...one.history]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(one.times?.map((time) => time.getTime() - T0)).toEqual([6, 7, 8, 9].map((step) => step * STEP));
    expect(forecast.at('vm10', 3, 0.9)).toBe(one.values[11]);
    expect(forecast.about).toMatchObject({ target: 'cpu_user_pct', unit: '', stepMinutes: 15 });
    expect([forecast.sorted, forecast.clipped]).toEqual([true, true]);
    expect(forecast.refused).toMatchObject([{ server: 'new', code: 'ERR_TFT_HISTORY_SHORT' }]);
    expect(() => forecast.series('old')).toThrow("series 'old': no series has that name");
  });

  test('is the same in parts, and by the function', async () => {
    const small = await TFTEngine.load(bundles.tiny, { maxBatch: 2 });
    const history = new FleetHistory(small.model);
    for (let server = 0; server < 7; server++) {
      history.addAll(Array.from({ length: 6 }, (_, step) => row(`vm${server}`, step, server * 10 + step)));
    }
    const done: number[] = [];
    const forecast = await small.forecast(history, { onProgress: (count) => done.push(count) });
    expect(done.at(-1)).toBe(7);
    expect(forecast.data).toEqual(tinyAnswer(history.windows().packed));
    expect((await forecastFleet(small, history)).data).toEqual(forecast.data);
    await small.close();
  });

  test('is raw where asked', async () => {
    const history = historyOf(...Array.from({ length: 6 }, (_, step) => row('a', step, -50)));
    expect((await engine.forecast(history)).at('a', 0)).toBe(0);
    const raw = await engine.forecast(history, { sorted: false, clipped: false });
    expect(raw.at('a', 0)).toBeLessThan(0);
    expect([raw.sorted, raw.clipped]).toEqual([false, false]);
  });

  test('is JSON by the published schema', async () => {
    const forecast = await engine.forecast(historyOf(...rowsOf('a', 6), row('b', 5), row('a', 4, 7)), {
      simulated: true,
    });
    const json = forecastSchema.parse(JSON.parse(JSON.stringify(forecast)));
    expect(json).toMatchObject({ model: 'tiny', backend: 'onnxruntime', precision: 'fp32', simulated: true });
    expect(json.forecasts[0]?.times[1]).toBe('2026-01-07T09:45:00.000Z');
    expect(json.warnings.map(({ kind }) => kind)).toEqual(['conflicting']);
    expect(json.refused.map(({ server }) => server)).toEqual(['b']);
  });

  test('published schema: schemas/forecast.schema.json is that of this version', () => {
    const { $schema, title, ...published } = JSON.parse(
      readFileSync(new URL('../../schemas/forecast.schema.json', import.meta.url), 'utf8'),
    );
    expect($schema).toContain('2020-12');
    const { $defs } = z.toJSONSchema(forecastSchema, { io: 'input' }) as { $defs: Record<string, object> };
    expect(published, 'node scripts/write-schemas.mjs').toEqual({ ...$defs.Forecasts, id: undefined });
  });
});

describe('a stream of rows', () => {
  async function* live(...rows: HistoryRow[]) {
    yield* rows;
  }

  test('gives a forecast for each complete step, of the servers that had rows in it', async () => {
    const rows = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((step) => [
      row('a', step),
      ...(step === 6 ? [] : [row('b', step)]),
    ]);
    const forecasts = [];
    for await (const forecast of engine.forecastStream(live(...rows))) forecasts.push(forecast);
    expect(
      forecasts.map((forecast) => [forecast.about.starts?.[0]?.getTime(), forecast.about.names]),
    ).toEqual([
      [T0 + 6 * STEP, ['a', 'b']],
      [T0 + 7 * STEP, ['a']],
      [T0 + 8 * STEP, ['a', 'b']],
    ]);
  });

  test('forecasts at every second step where asked, and ends with an error of a row', async () => {
    const starts: (Date | undefined)[] = [];
    const rows = [...rowsOf('a', 9), { ...row('a', 9), server_name: '' }];
    const run = async () => {
      for await (const { about } of engine.forecastStream(rows, { everySteps: 2 }))
        starts.push(about.starts?.[0]);
    };
    await expect(run()).rejects.toThrow(code('ERR_TFT_HISTORY_VALUE'));
    expect(starts).toEqual([6, 8].map((step) => new Date(T0 + step * STEP)));
  });
});

test('the packed model is loaded by its name, unless a bundle of that name is here', async () => {
  const demo = await TFTEngine.load('demo');
  expect(demo.model.directory).toMatch(/models\/demo$/);
  await demo.close();
  await expect(TFTEngine.load('demon')).rejects.toThrow(/no model at demon$/);
  // Paths of a clone, outside of one.
  for (const path of ['elsewhere/models/demo', './elsewhere/demo/'])
    await expect(TFTEngine.load(path)).rejects.toThrow(
      "the model 'demo' of this package is loaded by that name",
    );
});
