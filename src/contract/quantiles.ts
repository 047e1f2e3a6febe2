// The arithmetic of quantiles: finding one between the model's own, putting a step's in order, keeping them in range.
import { TFTError } from './errors.js';

/** A quantile's place among the model's: between two columns, `weight` of the way from the lower to the higher. */
export interface QuantilePlace {
  readonly low: number;
  readonly high: number;
  readonly weight: number;
}

/** The range that a target's values can have. */
export interface ValueRange {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}

/** (1 - 0.8) / 2 is not quite 0.1. */
const ROUNDING = 1e-9;

/**
 * Finds a quantile among the model's.
 *
 * @throws TFTError ERR_TFT_OPTION for one that is no probability, or beyond the model's lowest and highest.
 */
export function placeOf(quantiles: readonly number[], q: number): QuantilePlace {
  const own = quantiles.findIndex((known) => Math.abs(known - q) < ROUNDING);
  if (typeof q === 'number' && own >= 0) return { low: own, high: own, weight: 0 };
  const high = quantiles.findIndex((known) => known > q);
  if (typeof q !== 'number' || high <= 0) {
    const [first, last] = [quantiles[0], quantiles.at(-1)];
    throw new TFTError(
      'ERR_TFT_OPTION',
      `quantile ${String(q)}: this model predicts ${quantiles.join(', ')}, and nothing below ${first} or above ${last}`,
      { details: { found: q, expected: quantiles } },
    );
  }
  const [below, above] = [quantiles[high - 1] as number, quantiles[high] as number];
  return { low: high - 1, high, weight: (q - below) / (above - below) };
}

/** The column of the quantile that is nearest to the one wanted; the lower of two. */
export function nearestColumn(quantiles: readonly number[], wanted: number): number {
  let best = 0;
  for (const [column, quantile] of quantiles.entries()) {
    if (Math.abs(quantile - wanted) < Math.abs((quantiles[best] as number) - wanted)) best = column;
  }
  return best;
}

/** The value of a quantile of the step whose values begin at `at`. */
export function interpolate(values: Float32Array, at: number, { low, high, weight }: QuantilePlace): number {
  const below = values[at + low] as number;
  return weight === 0 ? below : below + ((values[at + high] as number) - below) * weight;
}

/** Puts the quantiles of every step in order, in place. They nearly are: an insertion sort moves little. */
export function sortSteps(values: Float32Array, width: number): void {
  for (let step = 0; step < values.length; step += width) {
    for (let at = step + 1; at < step + width; at++) {
      const value = values[at] as number;
      let to = at;
      for (; to > step && (values[to - 1] as number) > value; to--) values[to] = values[to - 1] as number;
      values[to] = value;
    }
  }
}

/** Keeps all values within the range, in place. */
export function clipValues(values: Float32Array, { minimum, maximum }: ValueRange): void {
  if (minimum === undefined && maximum === undefined) return;
  const low = minimum ?? Number.NEGATIVE_INFINITY;
  const high = maximum ?? Number.POSITIVE_INFINITY;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (value < low) values[at] = low;
    else if (value > high) values[at] = high;
  }
}

/** The number with the fewest digits that is the same float32: 0.1, not 0.10000000149011612. */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
