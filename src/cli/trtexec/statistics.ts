// Minimum, maximum, mean, median and percentiles of times.

/** All in the unit of the times. */
export interface TimeStatistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
}

/** The percentiles are nearest ranks: times that were measured, not means of two. */
export function statisticsOf(times: Iterable<number>): TimeStatistics {
  const sorted = Float64Array.from(times).sort();
  const count = sorted.length;
  const at = (index: number) => sorted[Math.min(count - 1, Math.max(0, index))] ?? Number.NaN;
  const rank = (share: number) => at(Math.ceil(share * count) - 1);
  return {
    min: at(0),
    max: at(count - 1),
    mean: sorted.reduce((sum, time) => sum + time, 0) / count,
    median: (at(Math.floor((count - 1) / 2)) + at(Math.floor(count / 2))) / 2,
    p90: rank(0.9),
    p95: rank(0.95),
    p99: rank(0.99),
  };
}
