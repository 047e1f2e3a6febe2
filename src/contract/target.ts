// The metric that a model forecasts: where it is among the metrics, its unit and its range.
import type { Metric } from './model.js';
import type { ValueRange } from './quantiles.js';

export interface Target {
  /** Its position among the metrics, which is its channel in `encoder_cont`; -1 if it is none of them. */
  readonly channel: number;
  /** '' where it has none. */
  readonly unit: string;
  readonly range: ValueRange;
}

export function targetOf({
  target,
  metrics,
}: {
  readonly target?: string | undefined;
  readonly metrics: readonly Metric[];
}): Target {
  const channel = metrics.findIndex(({ name }) => name === target);
  const { unit = '', minimum, maximum } = metrics[channel] ?? {};
  return { channel, unit, range: { minimum, maximum } };
}
