// The sizes of the history in memory, all from the model's description.
import { TFTError } from '../../contract/errors.js';
import type { ModelDescription } from '../../contract/model.js';
import { areWholeWeeks } from '../../history/calendar.js';

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
> &
  Partial<Pick<ModelDescription, 'statics' | 'stepMonths' | 'minEncoderLength'>>;

export interface HistoryShape {
  readonly stepMs: number;
  /** Steps that the model reads. */
  readonly window: number;
  /** Gaps of up to this many steps are filled. */
  readonly maxGap: number;
  readonly metrics: number;
  readonly categories: number;
}

const MINUTE = 60_000;

/**
 * @throws TFTError ERR_TFT_UNSUPPORTED for a model that reads values that samples do not contain, or whose steps are no multiples
 * of their length since 1970.
 */
export function historyShape(model: FleetModel, maxGapMinutes: number): HistoryShape {
  refuseFurther(model);
  return {
    stepMs: model.stepMinutes * MINUTE,
    window: model.encoderLength,
    maxGap: Math.floor(maxGapMinutes / model.stepMinutes),
    metrics: model.metrics.length,
    categories: model.categories.length,
  };
}

/** The daemon has samples of the present. Of the future it knows the calendar alone. */
function refuseFurther(model: FleetModel): void {
  const further = [
    ...model.metrics
      .filter(({ ahead }) => ahead !== undefined)
      .map(({ name }) => `${name} of the steps ahead`),
    ...(model.statics ?? []).map(({ name }) => `${name}, which each server keeps`),
    ...(model.stepMonths === undefined ? [] : ['steps of months']),
    // 1970 began on a Thursday; a model's weeks begin on any day.
    ...(model.stepMonths === undefined && areWholeWeeks(model.stepMinutes) ? ['steps of weeks'] : []),
  ];
  if (further.length === 0) return;
  throw new TFTError(
    'ERR_TFT_UNSUPPORTED',
    `the daemon cannot serve ${model.name}: it reads ${further.join('; ')}. engine.forecast and tft predict can, from a history (with rows of the steps ahead where it reads them)`,
  );
}

/** The step of a time: the nearest multiple of a step in UTC, as in a history file. */
export function stepOf(time: number, stepMs: number): number {
  return Math.round(time / stepMs);
}
