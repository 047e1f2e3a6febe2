// Quantiles of samples, by linear interpolation between order statistics: definition 7 of Hyndman and Fan (1996), which is
// NumPy's default.

/**
 * @param sorted increasing, not empty.
 * @param count use only the first `count` values; all by default.
 */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number, count = sorted.length): number {
  const at = q * (count - 1);
  const below = Math.floor(at);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, count - 1)] as number;
  return low + (high - low) * (at - below);
}

/** The quantiles of values in any order; zeros where there are no values. */
export function quantilesOf(values: ArrayLike<number>, quantiles: readonly number[]): number[] {
  if (values.length === 0) return quantiles.map(() => 0);
  const sorted = Float64Array.from(values).sort();
  return quantiles.map((q) => quantileOfSorted(sorted, q));
}
