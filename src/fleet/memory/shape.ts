// The sizes of the history in memory, all from the model's description.
import type { ModelDescription } from '../../contract/model.js';

/** The part of a model that the daemon's history depends on. */
export type FleetModel = Pick<
  ModelDescription,
  | 'name'
  | 'stepMinutes'
  | 'encoderLength'
  | 'horizon'
  | 'metrics'
  | 'categories'
  | 'known'
  | 'target'
  | 'quantiles'
>;

export interface HistoryShape {
  readonly stepMs: number;
  /** Steps that the model reads. */
  readonly window: number;
  /** Gaps of up to so many steps are filled. */
  readonly maxGap: number;
  readonly metrics: number;
  readonly categories: number;
}

const MINUTE = 60_000;

export function historyShape(model: FleetModel, maxGapMinutes: number): HistoryShape {
  return {
    stepMs: model.stepMinutes * MINUTE,
    window: model.encoderLength,
    maxGap: Math.floor(maxGapMinutes / model.stepMinutes),
    metrics: model.metrics.length,
    categories: model.categories.length,
  };
}

/** The step of a time: the nearest multiple of a step in UTC, as in a history file. */
export function stepOf(time: number, stepMs: number): number {
  return Math.round(time / stepMs);
}
