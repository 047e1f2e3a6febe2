// Models of published structures, forecast from a history file: the numbers are those of pytorch-forecasting's own `predict`.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { FleetHistory, readHistory } from '../../src/history/index.js';
import { loadModel, TFTEngine, type TFTError } from '../../src/index.js';
import { verifyBundle } from '../../src/verify.js';
import { published } from '../fixtures/bundles.js';

const TOLERANCE = 1e-4;

describe.each(Object.keys(published) as (keyof typeof published)[])('%s', (name) => {
  const folder = published[name];
  const expected = JSON.parse(readFileSync(join(folder, 'forecasts.json'), 'utf8')) as Record<
    string,
    number[][]
  >;

  test('runs its sample windows as PyTorch did', async () => {
    await using engine = await TFTEngine.load(folder, { threads: 1 });
    const verdict = await verifyBundle(engine);
    expect(verdict.withinLimit).toBe(true);
  });

  test('is forecast from a file whose last rows hold what is known ahead, as by model.predict', async () => {
    await using engine = await TFTEngine.load(folder, { threads: 1 });
    const history = await readHistory(join(folder, 'history.csv'), engine.model);
    const { forecasts, refused } = await engine.forecast(history, { sorted: false, clipped: false });
    expect(refused).toEqual([]);
    expect(forecasts.map(({ server }) => server)).toEqual(Object.keys(expected).sort());
    for (const { server, values } of forecasts) {
      const theirs = (expected[server] as number[][]).flat();
      const mean = theirs.reduce((sum, value) => sum + value, 0) / theirs.length;
      const spread = Math.sqrt(theirs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / theirs.length);
      const largest = Math.max(...theirs.map((value, at) => Math.abs(value - (values[at] as number))));
      expect(largest / spread).toBeLessThan(TOLERANCE);
    }
  });

  test('is refused without the rows of the steps ahead, by name and with what they must hold', async () => {
    const model = await loadModel(folder);
    const text = readFileSync(join(folder, 'history.csv'), 'utf8').trimEnd().split('\n');
    const measured = (text[0] as string).split(',').indexOf(model.target);
    const past = text.filter((line, at) => at === 0 || line.split(',')[measured] !== '');
    expect(past.length).toBeLessThan(text.length);
    const history = await readHistory(Readable.from([past.join('\n')]), model);
    const { servers, refused } = history.windows();
    expect(servers).toEqual([]);
    expect(refused[0]?.message).toMatch(
      new RegExp(
        `must be known for the ${model.horizon} steps ahead, and ${model.horizon} of them have no row`,
      ),
    );
    const repeated = await readHistory(Readable.from([past.join('\n')]), model, { repeatKnown: true });
    expect(repeated.windows().servers).toHaveLength(Object.keys(expected).length);
  });
});

test('a category that only the graph shows to be known ahead is treated as such, with a warning', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-ahead-'));
  try {
    cpSync(published.stallion, folder, { recursive: true });
    const file = join(folder, 'model.json');
    const description = JSON.parse(readFileSync(file, 'utf8')) as { categories: { role: string }[] };
    for (const category of description.categories) {
      if (category.role === 'known') category.role = 'varying';
    }
    writeFileSync(file, JSON.stringify(description));
    const warnings: string[] = [];
    await using engine = await TFTEngine.load(folder, {
      threads: 1,
      log: ({ level, message }) => level === 'warn' && warnings.push(message),
    });
    expect(engine.model.categories).toEqual((await loadModel(published.stallion)).categories);
    expect(warnings).toEqual([expect.stringMatching(/easter_day, .* must be known ahead.*export it again/)]);
    const path = join(published.stallion, 'history.csv');
    expect((await readHistory(path, engine.model)).windows().servers).not.toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a monthly forecast begins on the first of the month', async () => {
  const model = await loadModel(published.stallion);
  const history = await readHistory(join(published.stallion, 'history.csv'), model);
  const [first] = history.windows().servers;
  expect(first?.start.toISOString()).toBe('2017-07-01T00:00:00.000Z');
});

test('a column of the calendar is compared with the time stamps, and not read', async () => {
  const model = await loadModel(published.electricity);
  const text = readFileSync(join(published.electricity, 'history.csv'), 'utf8').trimEnd().split('\n');
  const at = (text[0] as string).split(',').indexOf('hour');
  const local = text.map((line, row) => {
    const fields = line.split(',');
    if (row > 0) fields[at] = String((Number(fields[at]) + 2) % 24);
    return fields.join(',');
  });
  const windowsOf = async (kept: readonly string[]) =>
    (await readHistory(Readable.from([kept.join('\n')]), model)).windows();
  const [utc, other] = [await windowsOf(text), await windowsOf(local)];
  expect(utc.warnings).toEqual([]);
  expect(other.warnings).toEqual([expect.objectContaining({ kind: 'calendar', count: text.length - 1 })]);
  expect(other.warnings[0]?.message).toMatch(/'hour' is not that of the time stamp in UTC .*first: line 2/);
  expect(other.packed).toEqual(utc.packed);
});

test('a row of a program takes what a series keeps, and says what is missing', async () => {
  const model = await loadModel(published.retail);
  const history = new FleetHistory(model);
  const metrics = { sales: 3000, customers: 500, promo: 1, open: 1, school_holiday: 0, price_index: 100 };
  const row = { timestamp: '2014-03-01T00:00Z', server_name: '1', metrics };
  const refusal = (() => {
    try {
      history.add(row);
    } catch (error) {
      return error as TFTError;
    }
    return undefined;
  })();
  expect(refusal?.code).toBe('ERR_TFT_HISTORY_COLUMN');
  expect(refusal?.message).toContain('static number competition_distance is missing');
  history.add({ ...row, statics: { competition_distance: 200 } });
  expect(history.rows).toBe(1);
});

test('an input of what a series keeps is named in messages', async () => {
  await using engine = await TFTEngine.load(published.stallion, { threads: 1 });
  const { model } = engine;
  const inputs = {
    encoderCont: new Float32Array(model.encoderLength * model.metrics.length).fill(1),
    encoderCat: new Int32Array(model.encoderLength * model.categories.length),
    decoderCont: new Float32Array(model.horizon * model.known.length).fill(1),
    decoderCat: new Int32Array(model.horizon * model.categories.length),
    staticCont: Float32Array.of(1, Number.NaN),
    encoderLengths: Int32Array.of(model.encoderLength),
  };
  await expect(engine.predict(inputs)).rejects.toThrow(
    "staticCont[1] (series 0, step 0, 'avg_yearly_household_income_2017') is NaN",
  );
});
