// Counts how many servers cross the threshold in each part of the time ahead.
import type { OverviewRow } from '../../src/fleet/api.js';

export interface AheadBin {
  /** Milliseconds since 1970. */
  readonly start: number;
  /** Servers whose median crosses in this part. */
  readonly likely: number;
  /** Servers of which only a high quantile crosses, in this part. */
  readonly possible: number;
}

/** @param bins equal parts of the time from `start` to `end`, in milliseconds since 1970. */
export function crossingsAhead(
  rows: readonly OverviewRow[],
  start: number,
  end: number,
  bins: number,
): AheadBin[] {
  const width = (end - start) / bins;
  const likely = new Array<number>(bins).fill(0);
  const possible = new Array<number>(bins).fill(0);
  for (const { crossing } of rows) {
    const at = crossing?.likely ?? crossing?.earliest;
    if (!at) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((Date.parse(at) - start) / width)));
    const counts = crossing?.likely ? likely : possible;
    counts[bin] = (counts[bin] as number) + 1;
  }
  return likely.map((count, bin) => ({
    start: start + bin * width,
    likely: count,
    possible: possible[bin] as number,
  }));
}
