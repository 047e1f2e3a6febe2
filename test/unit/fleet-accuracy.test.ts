// The accuracy watch against test/fixtures/judging/watch.json, which NumPy and pandas work out from what a daemon stored.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FleetAccuracy } from '../../src/fleet/accuracy/accuracy.js';
import { observedFleet } from '../fixtures/observed-fleet.js';

interface Watch {
  shape: {
    stepMinutes: number;
    encoder: number;
    horizon: number;
    quantiles: number[];
    resolution: number;
    first: number;
    maxGapMinutes: number;
    profiles: string[];
    horizons: number[];
  };
  truth: (number | null)[][];
  forecasts: Record<string, (number | null)[][][]>;
  expected: {
    horizons: object[];
    profiles: { profile: string; horizons: object[] }[];
    servers: object[][];
    chosen: number[];
  };
}

const { shape, truth, forecasts, expected } = JSON.parse(
  readFileSync(new URL('../fixtures/judging/watch.json', import.meta.url), 'utf8'),
) as Watch;
const number = (value: number | null) => value ?? Number.NaN;

function fleetOf(values = truth) {
  return observedFleet({
    ...shape,
    stepMs: shape.stepMinutes * 60_000,
    truth: values.map((row) => row.map(number)),
    forecasts: new Map(
      shape.horizons.map((horizon) => [
        horizon,
        (forecasts[horizon] as (number | null)[][][]).map((step) => step.map((row) => row.map(number))),
      ]),
    ),
  });
}

function watch() {
  const { stepMinutes, encoder, horizon, quantiles, resolution, maxGapMinutes } = shape;
  return new FleetAccuracy({
    model: {
      stepMinutes,
      encoderLength: encoder,
      horizon,
      quantiles,
      range: { minimum: 0, maximum: 100 },
      metrics: 1,
    },
    resolution,
    maxGapMinutes,
  });
}

/** Numbers within what float32 readings allow. */
function near(found: unknown, wanted: unknown, path = ''): void {
  if (typeof wanted === 'number') {
    expect(Math.abs((found as number) - wanted), `${path}: ${found}, not ${wanted}`).toBeLessThan(1e-5);
  } else if (typeof wanted === 'object' && wanted !== null) {
    for (const [key, value] of Object.entries(wanted)) near((found as never)[key], value, `${path}.${key}`);
  } else {
    expect(found, path).toEqual(wanted);
  }
}

it('gives the figures of an independent computation, by horizon, profile and server', async () => {
  const [accuracy, fleet] = [watch(), fleetOf()];
  for (let step = 0; step < truth.length; step++) await accuracy.stepClosed(shape.first + step, fleet);
  near(accuracy.state().horizons, expected.horizons, 'horizons');
  near(accuracy.state().profiles, expected.profiles, 'profiles');
  near(
    [0, 1, 2].map((place) => accuracy.server(place)),
    expected.servers,
    'servers',
  );
  expect([0, 1, 2].map((place) => accuracy.choose(place))).toEqual(
    expected.chosen.map((kind) => (kind === 0 ? 'model' : 'naive')),
  );
  expect(new Set(expected.chosen.map((kind) => kind === 0)).size).toBe(2);
});

it('chooses by nothing that came later: the same past with another future chooses the same', async () => {
  const half = 60;
  const other = truth.map((row, step) => (step < half ? row : row.map(() => 99)));
  const choices = await Promise.all(
    [truth, other].map(async (values) => {
      const [accuracy, fleet] = [watch(), fleetOf(values)];
      for (let step = 0; step < half; step++) await accuracy.stepClosed(shape.first + step, fleet);
      return [accuracy.state(), [0, 1, 2].map((place) => accuracy.choose(place))];
    }),
  );
  expect(choices[1]).toEqual(choices[0]);
});

it('gives the same figures when an hour of measurements comes late, after an outage', async () => {
  const [outage, length] = [70, 4];
  const missed = Array.from({ length }, (_, index) => outage + index);
  const holed = fleetOf(truth.map((row, step) => (missed.includes(step) ? row.map(() => null) : row)));
  const [accuracy, late, fleet] = [watch(), watch(), fleetOf()];
  for (let step = 0; step < truth.length; step++) {
    await accuracy.stepClosed(shape.first + step, fleet);
    if (step === outage + length) {
      const before = late.state();
      await late.stepsChanged(
        missed.map((each) => shape.first + each),
        fleet,
      );
      expect(late.state()).not.toEqual(before);
    }
    await late.stepClosed(shape.first + step, step < outage + length ? holed : fleet);
  }
  expect(late.state()).toEqual(accuracy.state());
  for (const place of [0, 1, 2]) {
    expect(late.server(place)).toEqual(accuracy.server(place));
    expect(late.choose(place)).toBe(accuracy.choose(place));
  }
  // What is given again is scored once.
  await late.stepsChanged([shape.first + truth.length - 1], fleet);
  expect(late.state()).toEqual(accuracy.state());
});

it('scores on after a clock that was far ahead has been put right', async () => {
  const [accuracy, wrong, fleet] = [watch(), watch(), fleetOf()];
  const ahead = 100_000;
  await wrong.stepClosed(shape.first, fleet);
  await wrong.stepClosed(shape.first + ahead, {
    ...fleet,
    archive: { ...fleet.archive, readStep: () => fleet.archive.readStep(shape.first) },
  });
  for (let step = 0; step < truth.length; step++) {
    await accuracy.stepClosed(shape.first + step, fleet);
    if (step > 0) await wrong.stepClosed(shape.first + step, fleet);
  }
  expect(wrong.state().horizons).toEqual(accuracy.state().horizons);
});

it('gives a naive forecast of the full horizon, in order and in range', async () => {
  const [accuracy, fleet] = [watch(), fleetOf()];
  for (let step = 0; step < truth.length; step++) await accuracy.stepClosed(shape.first + step, fleet);
  for (const place of [0, 1, 2]) {
    const values = accuracy.naive(place, new Float32Array(shape.encoder).fill(50));
    expect(values).toHaveLength(shape.horizon * 3);
    for (let at = 0; at < values.length; at += 3) {
      const row = [...values.subarray(at, at + 3)];
      expect([...row].sort((a, b) => a - b)).toEqual(row);
      expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...row)).toBeLessThanOrEqual(100);
    }
  }
});

it('begins with what was kept before a restart', async () => {
  const [before, fleet] = [watch(), fleetOf()];
  for (let step = 0; step < truth.length; step++) await before.stepClosed(shape.first + step, fleet);
  const after = watch();
  await after.stepClosed(shape.first + truth.length, fleet);
  expect(after.state()).toEqual(before.state());
});

it('calls a model stale that has become worse than the best naive forecast, and no longer when it is better again', async () => {
  const steps = 24 * 10;
  // A daily wave with some noise, which no naive forecast knows.
  const wave = Array.from({ length: steps }, (_, step) => [
    50 + 30 * Math.sin((2 * Math.PI * step) / 24) + ((step * 7_919) % 13) - 6,
  ]);
  // Right for three days, then wrong for three, then right again.
  const off = (step: number) => (step >= 72 && step < 130 ? 40 : 0.1);
  const series = wave.map(([value], step) => [
    [-1, 0, 1].map((band) => Math.max(0, (value as number) + off(step) + band * 0.1)),
  ]);
  const fleet = observedFleet({
    ...shape,
    stepMs: 3_600_000,
    profiles: Array(3).fill('web'),
    first: 480_000,
    truth: wave.map((row) => [row[0], row[0], row[0]] as number[]),
    forecasts: new Map(
      shape.horizons.map((horizon) => [horizon, series.map((row) => [row[0], row[0], row[0]] as number[][])]),
    ),
  });
  const accuracy = watch();
  const stale: boolean[] = [];
  for (let step = 0; step < steps; step++) {
    await accuracy.stepClosed(480_000 + step, fleet);
    stale.push(accuracy.state().stale);
  }
  expect([stale[60], stale[120], stale.at(-1)]).toEqual([false, true, false]);
});
