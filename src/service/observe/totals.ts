// Sums of engines' counters: a version of a model may have been served by several engines, one after the other.
import type { BackendCounters, EngineCounters } from '../../batching/counters.js';

export interface Totals {
  readonly numbers: Partial<Record<Exclude<keyof BackendCounters, 'batchSizes'>, number>>;
  /** At index n: the number of batches with n series. */
  readonly batchSizes: readonly number[];
  /** Requests by bucket of DURATION_BOUNDS, and the sum of their seconds. */
  readonly durations: EngineCounters['durations'];
}

/** The totals of one version of a model. */
export interface VersionTotals {
  readonly name: string;
  readonly version: string;
  readonly totals: Totals;
  /** Requests that did not reach the engine. */
  readonly invalid: number;
}

/** Where metrics have their totals from. */
export interface TotalsSource {
  versions(): readonly VersionTotals[];
}

export function addTotals(
  sum: Totals | undefined,
  { batchSizes, durations, ...rest }: EngineCounters,
): Totals {
  const numbers: Record<string, number> = { ...sum?.numbers };
  for (const [key, value] of Object.entries(rest)) numbers[key] = (numbers[key] ?? 0) + value;
  return {
    numbers,
    batchSizes: addLists(sum?.batchSizes ?? [], batchSizes),
    durations: {
      counts: addLists(sum?.durations.counts ?? [], durations.counts),
      seconds: (sum?.durations.seconds ?? 0) + durations.seconds,
    },
  };
}

function addLists(a: readonly number[], b: readonly number[]): number[] {
  return Array.from(
    { length: Math.max(a.length, b.length) },
    (_, index) => (a[index] ?? 0) + (b[index] ?? 0),
  );
}
