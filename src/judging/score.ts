// Scores the forecast of one step against the measurement: pinball loss and coverage. And, without a measurement, counts
// crossed quantiles and values outside the target's range.
import type { ValueRange } from '../contract/quantiles.js';

/** The range of a metric; an undefined end is open. */
export type Range = ValueRange;

/**
 * The pinball loss of Koenker and Bassett (1978), the mean over quantiles, in the unit of the target: max(q·e, (q − 1)·e)
 * with e = measured − forecast. Some authors double it.
 *
 * @param forecast the quantiles of the step, from index `at` on.
 */
export function pinballLoss(
  forecast: ArrayLike<number>,
  at: number,
  quantiles: readonly number[],
  measured: number,
): number {
  let loss = 0;
  for (let index = 0; index < quantiles.length; index++) {
    const q = quantiles[index] as number;
    const error = measured - (forecast[at + index] as number);
    loss += error >= 0 ? q * error : (q - 1) * error;
  }
  return loss / quantiles.length;
}

/**
 * Whether a band contains a measurement, at the recording's resolution: a reading may be rounded or truncated, so it
 * represents any value within one step of the resolution. Without this a band from 0.003 on would miss a reading of 0.
 */
export function isHeld(low: number, high: number, measured: number, resolution: number): boolean {
  return measured >= low - resolution && measured <= high + resolution;
}

/** A resolution is this quantile of the changes, and at most this share of the range. */
const SMALL_CHANGES = 0.01;
const LARGEST_OF_RANGE = 0.001;

/** Finds the resolution of a recording from the changes between neighbouring measurements. */
export class ResolutionFinder {
  readonly #most: number;
  #changes: number[] = [];
  #stride = 1;
  #seen = 0;

  /** @param most the maximum number of changes to keep: of more, every second, fourth … one is kept. */
  constructor(most = 100_000) {
    this.#most = most;
  }

  add(change: number): void {
    const size = Math.abs(change);
    if (!(size > 0) || this.#seen++ % this.#stride > 0) return;
    this.#changes.push(size);
    if (this.#changes.length < this.#most) return;
    this.#changes = this.#changes.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }

  /**
   * The 1 % quantile of the non-zero changes, but at most a thousandth of the target's range; 0 if nothing changes. For a
   * gauge with two decimals it is 0.01.
   */
  find(range: Range = {}): number {
    if (this.#changes.length === 0) return 0;
    const sorted = Float64Array.from(this.#changes).sort();
    const at = SMALL_CHANGES * (sorted.length - 1);
    const found = sorted[Math.floor(at)] as number;
    const { minimum, maximum } = range;
    if (minimum === undefined || maximum === undefined) return found;
    return Math.min(found, LARGEST_OF_RANGE * (maximum - minimum));
  }
}

/** Counts of errors that a forecast has whatever was measured. */
export interface Disorder {
  /** The number of neighbouring quantiles, out of `pairs`, of which the upper is below the lower. */
  readonly crossed: number;
  readonly pairs: number;
  /** The number of values, out of `values`, outside the target's range. */
  readonly outside: number;
  readonly values: number;
}

/** @param forecast `[steps, quantiles]` of one series. */
export function disorderOf(forecast: ArrayLike<number>, quantiles: number, range: Range): Disorder {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = range;
  let crossed = 0;
  let outside = 0;
  for (let index = 0; index < forecast.length; index++) {
    const value = forecast[index] as number;
    if (value < minimum || value > maximum) outside++;
    if (index % quantiles > 0 && value < (forecast[index - 1] as number)) crossed++;
  }
  const pairs = forecast.length - forecast.length / quantiles;
  return { crossed, pairs, outside, values: forecast.length };
}
