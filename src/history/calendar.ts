// The model's grid of steps in time, and the calendar features of a step, in UTC.
import type { KnownFeature } from '../contract/model.js';
import { KNOWN_FEATURES } from '../contract/names.js';

const MINUTE = 60_000;

const FEATURES: Record<KnownFeature, (date: Date) => number> = {
  hour: (date) => date.getUTCHours(),
  /** 0 = Monday, as Python counts. */
  day_of_week: (date) => (date.getUTCDay() + 6) % 7,
  month: (date) => date.getUTCMonth() + 1,
  is_weekend: (date) => (date.getUTCDay() % 6 === 0 ? 1 : 0),
};

/** A calendar feature's value at a time; undefined for a name that is none. */
export function calendarFeature(name: string): ((date: Date) => number) | undefined {
  return isCalendarFeature(name) ? FEATURES[name] : undefined;
}

function isCalendarFeature(name: string): name is KnownFeature {
  return (KNOWN_FEATURES as readonly string[]).includes(name);
}

/**
 * The time at which a step of a model begins, in milliseconds since 1970; steps are counted from then.
 *
 * A step of months has the minutes of an average one. A month begins within a few days of where an average one would, so
 * that the step nearest to a time is right for both; only the way back needs the months.
 */
export function timeOfStep(
  step: number,
  { stepMinutes, stepMonths }: { stepMinutes: number; stepMonths?: number | undefined },
): number {
  return stepMonths === undefined ? step * stepMinutes * MINUTE : Date.UTC(1970, step * stepMonths);
}

/** Writes `[steps, known]` for the steps from `start` on; `out` has exactly that length. */
export function writeCalendar(
  out: Float32Array,
  known: readonly string[],
  start: number,
  stepMs: number,
): void {
  const features = known.map(calendarFeature);
  const date = new Date(start);
  for (let at = 0; at < out.length; date.setTime(date.getTime() + stepMs)) {
    for (const feature of features) out[at++] = feature?.(date) ?? 0;
  }
}
