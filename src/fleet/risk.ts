// Computes from the quantiles of a forecast how probable it is that a threshold is exceeded, when, and how high the values go.
// The definitions are in docs/fleet.md.
import { nearestColumn, type ValueRange } from '../contract/quantiles.js';
import type { RiskLevel } from './api.js';

/** A summary of a forecast. Steps are counted from the first one ahead. */
export interface Outlook {
  /** The largest probability over the steps ahead of a value above the threshold, from 0 to 1. */
  readonly risk: number;
  readonly level: RiskLevel;
  /** The maximum of the median. */
  readonly peak: {
    readonly step: number;
    readonly value: number;
    readonly low: number;
    readonly high: number;
  };
  /** The first steps at which the upper quantile, the median and the lower one are above the threshold. */
  readonly crossing: {
    readonly earliest: number | undefined;
    readonly likely: number | undefined;
    readonly latest: number | undefined;
  };
}

/** The columns nearest to the quantiles 0.1, 0.5 and 0.9. */
export interface QuantileColumns {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

export function quantileColumns(quantiles: readonly number[]): QuantileColumns {
  const [low, median, high] = [0.1, 0.5, 0.9].map((wanted) => nearestColumn(quantiles, wanted)) as [
    number,
    number,
    number,
  ];
  return { low, median, high };
}

/** The threshold of the settings, otherwise nine tenths of the target's maximum; undefined if it has none. */
export function thresholdOf(
  { threshold }: { readonly threshold?: number | undefined },
  { maximum }: ValueRange,
): number | undefined {
  return threshold ?? (maximum === undefined ? undefined : 0.9 * maximum);
}

/**
 * The probability that a value is above a threshold, from one step's quantiles: the distribution function is taken as linear
 * between them, and from the outermost ones to the limits of the target's range. If there is no limit, the result is a bound:
 * the outermost quantile's own share.
 *
 * @param at where the step's quantiles begin.
 */
export function exceedance(
  values: Float32Array,
  at: number,
  quantiles: readonly number[],
  threshold: number,
  { minimum, maximum }: ValueRange,
): number {
  const width = quantiles.length;
  const first = values[at] as number;
  const last = values[at + width - 1] as number;
  if (threshold < first) {
    const share = quantiles[0] as number;
    if (minimum === undefined) return 1 - share;
    if (threshold < minimum) return 1;
    return first === minimum ? 1 - share : 1 - (share * (threshold - minimum)) / (first - minimum);
  }
  if (threshold >= last) {
    const share = 1 - (quantiles[width - 1] as number);
    if (maximum === undefined) return threshold === last ? share : 0;
    if (threshold >= maximum) return 0;
    return last === maximum ? share : (share * (maximum - threshold)) / (maximum - last);
  }
  let column = 0;
  while ((values[at + column + 1] as number) <= threshold) column++;
  const low = values[at + column] as number;
  const high = values[at + column + 1] as number;
  const from = quantiles[column] as number;
  const to = quantiles[column + 1] as number;
  return 1 - (from + ((to - from) * (threshold - low)) / (high - low));
}

/**
 * Summarizes a forecast `[horizon][quantiles]`.
 *
 * @param threshold undefined if there is none: then nothing is at risk.
 */
export function outlook(
  values: Float32Array,
  quantiles: readonly number[],
  columns: QuantileColumns,
  threshold: number | undefined,
  range: ValueRange,
): Outlook {
  const width = quantiles.length;
  const steps = values.length / width;
  let risk = 0;
  let peak = 0;
  let earliest: number | undefined;
  let likely: number | undefined;
  let latest: number | undefined;
  for (let step = 0; step < steps; step++) {
    const at = step * width;
    if ((values[at + columns.median] as number) > (values[peak * width + columns.median] as number))
      peak = step;
    if (threshold === undefined) continue;
    risk = Math.max(risk, exceedance(values, at, quantiles, threshold, range));
    if (earliest === undefined && (values[at + columns.high] as number) > threshold) earliest = step;
    if (likely === undefined && (values[at + columns.median] as number) > threshold) likely = step;
    if (latest === undefined && (values[at + columns.low] as number) > threshold) latest = step;
  }
  const at = peak * width;
  return {
    risk,
    level: likely !== undefined ? 'critical' : earliest !== undefined ? 'warning' : 'ok',
    peak: {
      step: peak,
      value: values[at + columns.median] as number,
      low: values[at + columns.low] as number,
      high: values[at + columns.high] as number,
    },
    crossing: { earliest, likely, latest },
  };
}
