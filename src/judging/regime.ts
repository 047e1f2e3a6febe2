// Classifies the load of a series, because a model can be right on idle machines and wrong on the important ones.
import { DAYS_OF_ERRORS } from './naive.js';
import type { Range } from './score.js';

export const REGIMES = ['idle', 'saturated', 'periodic', 'bursty'] as const;
export type Regime = (typeof REGIMES)[number];

const IDLE_SPREAD = 0.02;
const SATURATED_FROM = 0.9;
const SATURATED_SHARE = 0.1;
const PERIODIC_CORRELATION = 0.5;

/**
 * The regime of a series by its past week, the first of these that holds:
 *
 * - idle: the standard deviation is under 2 % of the range;
 * - saturated: a tenth of the values is in the upper tenth of the range;
 * - periodic: values and those a day later correlate by 0.5 or more (two days of past are needed);
 * - bursty: everything else.
 *
 * The range is the metric's. Without one, its lower end is 0 and its upper end the largest value of the past.
 *
 * @param past the target up to now, oldest first; only its last 7 days are read.
 */
export function regimeOf(past: ArrayLike<number>, day: number, range: Range): Regime {
  const from = Math.max(0, past.length - DAYS_OF_ERRORS * day);
  const values = Float64Array.from(
    { length: past.length - from },
    (_, index) => past[from + index] as number,
  );
  const minimum = range.minimum ?? 0;
  const width = (range.maximum ?? Math.max(...values)) - minimum;
  const mean = sum(values) / values.length;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / values.length;
  if (Math.sqrt(variance) < IDLE_SPREAD * width || variance === 0) return 'idle';
  const high = values.filter((value) => value >= minimum + SATURATED_FROM * width).length;
  if (high >= SATURATED_SHARE * values.length) return 'saturated';
  if (values.length < 2 * day) return 'bursty';
  return correlation(values.subarray(0, -day), values.subarray(day)) >= PERIODIC_CORRELATION
    ? 'periodic'
    : 'bursty';
}

/** Pearson's; 0 where one side is constant. */
function correlation(a: Float64Array, b: Float64Array): number {
  const [meanA, meanB] = [sum(a) / a.length, sum(b) / b.length];
  let [both, ofA, ofB] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [(a[index] as number) - meanA, (b[index] as number) - meanB];
    both += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  return ofA === 0 || ofB === 0 ? 0 : both / Math.sqrt(ofA * ofB);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
