// Histograms made of what engines count themselves: nothing is done for them but at a scrape.
import type { Metric, Registry } from 'prom-client';
import { DURATION_BOUNDS } from '../../batching/durations.js';
import type { Totals, TotalsSource, VersionTotals } from './totals.js';

/** Upper bounds of the series in a batch. */
const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** One histogram: the count of each bucket, not cumulative, the last for what is above all bounds; and the sum. */
interface Buckets {
  readonly counts: readonly number[];
  readonly sum: number;
}

export function registerEngineHistograms(registry: Registry, source: TotalsSource): void {
  register(
    registry,
    source,
    'tft_inference_duration_seconds',
    'Time from the call of predict to its forecast, of requests that succeeded.',
    DURATION_BOUNDS,
    ({ durations }) => ({ counts: durations.counts, sum: durations.seconds }),
  );
  register(registry, source, 'tft_batch_series', 'Series in a batch that ran.', BATCH_BOUNDS, byBatchSize);
}

function byBatchSize({ batchSizes, numbers }: Totals): Buckets {
  const counts = new Array<number>(BATCH_BOUNDS.length + 1).fill(0);
  for (const [size, count] of batchSizes.entries()) {
    const found = BATCH_BOUNDS.findIndex((bound) => size <= bound);
    const bucket = found < 0 ? BATCH_BOUNDS.length : found;
    counts[bucket] = (counts[bucket] as number) + count;
  }
  return { counts, sum: numbers.servers ?? 0 };
}

/** prom-client's own histograms can only be added to, value by value; this one is set as a whole. */
function register(
  registry: Registry,
  source: TotalsSource,
  name: string,
  help: string,
  bounds: readonly number[],
  bucketsOf: (totals: Totals) => Buckets,
): void {
  const get = async () => ({
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    values: source
      .versions()
      .flatMap((version) => valuesOf(name, version, bounds, bucketsOf(version.totals))),
  });
  registry.registerMetric({ name, get, reset() {} } as unknown as Metric);
}

function valuesOf(
  name: string,
  { name: model, version }: VersionTotals,
  bounds: readonly number[],
  { counts, sum }: Buckets,
): object[] {
  const labels = { model, version };
  let total = 0;
  const buckets = [...bounds, '+Inf'].map((le, index) => {
    total += counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
}
