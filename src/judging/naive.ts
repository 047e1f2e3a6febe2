// Naive forecasts with quantiles, which a model has to beat to be worth running. Test vectors ensure that they are the same as
// those of tft_export/judging/naive.py.
import { quantilesOf } from './quantile.js';
import type { Range } from './score.js';

export const NAIVE_NAMES = [
  'last value',
  'same time yesterday',
  'window quantiles',
  'window changes',
] as const;
export type NaiveName = (typeof NAIVE_NAMES)[number];

/** The sizes that naive forecasts depend on. */
export interface NaiveShape {
  /** Steps of the encoder window. */
  readonly encoder: number;
  readonly horizon: number;
  /** Steps of a day: 288 of 5 minutes. */
  readonly day: number;
  readonly quantiles: readonly number[];
  /** The target's range, to which the forecasts are cut. */
  readonly range: Range;
}

/** The number of past days from which a naive forecast's errors are taken. */
export const DAYS_OF_ERRORS = 7;

/** The steps of a day, rounded for steps that do not divide it. */
export function stepsPerDay(stepMinutes: number): number {
  return Math.max(1, Math.round(1440 / stepMinutes));
}

/** The maximum number of past steps that the naive forecasts read. */
export function pastSteps({ horizon, day, encoder }: NaiveShape): number {
  return Math.max(DAYS_OF_ERRORS * day + Math.max(horizon, day), encoder);
}

/**
 * The naive forecasts, each `[steps, quantiles]`, in the order of {@link NAIVE_NAMES}. See {@link naiveForecast}.
 *
 * @param steps which steps ahead, from 1 on; all of the horizon by default.
 */
export function naiveForecasts(
  past: ArrayLike<number>,
  shape: NaiveShape,
  steps?: readonly number[],
): Float64Array[] {
  return NAIVE_NAMES.map((name) => naiveForecast(name, past, shape, steps));
}

/**
 * One naive forecast, `[steps, quantiles]`, cut to the target's range.
 *
 * - last value: the last value, with the quantiles of the errors that this forecast made over the past 7 days.
 * - same time yesterday: the value a day before each step, with the quantiles of its own errors over the past 7 days, the
 *   same for all steps; the last value's where the past is shorter than a day.
 * - window quantiles: the quantiles of the encoder window, at every step.
 * - window changes: the last value plus the quantiles of the changes over as many steps within the encoder window.
 *
 * If the past is too short for changes over that many steps, the longest available changes are used.
 *
 * @param past the target up to the forecast's origin, oldest first, not empty.
 * @param steps which steps ahead, from 1 on; all of the horizon by default.
 */
export function naiveForecast(
  name: NaiveName,
  past: ArrayLike<number>,
  shape: NaiveShape,
  steps: readonly number[] = Array.from({ length: shape.horizon }, (_, index) => index + 1),
): Float64Array {
  const { encoder, day, quantiles } = shape;
  const width = quantiles.length;
  const result = new Float64Array(steps.length * width);
  const last = past[past.length - 1] as number;
  const put = (row: number, base: number, spread: readonly number[]) =>
    result.set(cut(spread, base, shape.range), row * width);
  if (name === 'window quantiles') {
    const window = quantilesOf(tail(past, encoder), quantiles);
    for (const row of steps.keys()) put(row, 0, window);
  } else if (name === 'window changes') {
    const window = tail(past, encoder);
    for (const [row, step] of steps.entries()) put(row, last, quantilesOf(changes(window, step), quantiles));
  } else {
    const errors = tail(past, DAYS_OF_ERRORS * day + shape.horizon);
    const daily =
      name === 'last value'
        ? undefined
        : quantilesOf(changesOver(tail(past, (DAYS_OF_ERRORS + 1) * day), day), quantiles);
    for (const [row, step] of steps.entries()) {
      const yesterday = daily === undefined ? undefined : yesterdayOf(past, day, step);
      if (daily !== undefined && yesterday !== undefined) put(row, yesterday, daily);
      else put(row, last, quantilesOf(changes(errors, step), quantiles));
    }
  }
  return result;
}

/** The value of the past at the same time of day as the step ahead: a day before it, or more where that is ahead as well. */
function yesterdayOf(past: ArrayLike<number>, day: number, step: number): number | undefined {
  return past[past.length - 1 + step - Math.ceil(step / day) * day];
}

/** A value plus a spread, cut to a range. */
function cut(spread: readonly number[], base: number, range: Range): number[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = range;
  return spread.map((value) => Math.min(maximum, Math.max(minimum, base + value)));
}

/** The changes over `steps` steps, or over as many as there are; empty for a single value. */
function changes(series: ArrayLike<number>, steps: number): Float64Array {
  return changesOver(series, Math.min(steps, series.length - 1));
}

function changesOver(series: ArrayLike<number>, lag: number): Float64Array {
  const found = new Float64Array(lag > 0 ? Math.max(0, series.length - lag) : 0);
  for (let index = 0; index < found.length; index++) {
    found[index] = (series[index + lag] as number) - (series[index] as number);
  }
  return found;
}

function tail(series: ArrayLike<number>, length: number): ArrayLike<number> {
  return series.length <= length ? series : Array.prototype.slice.call(series, series.length - length);
}
