// Probabilities and crossing times from quantiles, compared with values computed by hand.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exceedance, outlook, quantileColumns } from '../../src/fleet/risk.js';

const QUANTILES = [0.1, 0.5, 0.9];
const RANGE = { minimum: 0, maximum: 100 };
const at = (threshold: number, range: { minimum?: number; maximum?: number } = RANGE) =>
  exceedance(Float32Array.of(20, 40, 60), 0, QUANTILES, threshold, range);

test('between two quantiles the probability is on the line between them', () => {
  expect(at(40)).toBeCloseTo(0.5);
  expect(at(30)).toBeCloseTo(0.7);
  expect(at(50)).toBeCloseTo(0.3);
});

test('beyond the outermost quantile it falls to the limit of the range', () => {
  expect(at(80)).toBeCloseTo(0.05);
  expect(at(10)).toBeCloseTo(0.95);
  expect(at(100)).toBe(0);
  expect(at(-1)).toBe(1);
});

test('without a limit nothing is claimed beyond the outermost quantile', () => {
  expect(at(70, {})).toBe(0);
  expect(at(10, {})).toBeCloseTo(0.9);
});

test('it is a probability, and falls as the threshold rises', () => {
  const values = fc.array(fc.float({ min: 0, max: 100, noNaN: true }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(
      values,
      fc.float({ min: -10, max: 110, noNaN: true }),
      fc.float({ min: 0, max: 20, noNaN: true }),
      (list, low, more) => {
        const sorted = Float32Array.from(list.sort((a, b) => a - b));
        const first = exceedance(sorted, 0, QUANTILES, low, RANGE);
        const second = exceedance(sorted, 0, QUANTILES, low + more, RANGE);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(first).toBeLessThanOrEqual(1);
        expect(second).toBeLessThanOrEqual(first + 1e-9);
      },
    ),
  );
});

test('a crossing has the first steps of the upper quantile, the median and the lower one', () => {
  const values = Float32Array.of(10, 20, 30, 10, 45, 60, 30, 55, 80, 52, 70, 90);
  const found = outlook(values, QUANTILES, quantileColumns(QUANTILES), 50, RANGE);
  expect(found.crossing).toEqual({ earliest: 1, likely: 2, latest: 3 });
  expect(found.level).toBe('critical');
  expect(found.peak).toEqual({ step: 3, value: 70, low: 52, high: 90 });
});

test('without a threshold nothing is at risk', () => {
  const found = outlook(Float32Array.of(10, 20, 30), QUANTILES, quantileColumns(QUANTILES), undefined, {});
  expect(found).toMatchObject({ risk: 0, level: 'ok' });
});
