// The model's grid of steps in time, and the calendar features of a step, in UTC.
import type { KnownFeature } from '../contract/model.js';
import { KNOWN_FEATURES } from '../contract/names.js';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const WEEK = 7 * DAY;

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

/** Whether steps are of whole weeks: which day they begin on, only a history says. */
export function areWholeWeeks(stepMinutes: number): boolean {
  return (stepMinutes * MINUTE) % WEEK === 0;
}

/**
 * A model's steps in time, in milliseconds since 1970; they are counted from then.
 *
 * A step of months has the minutes of an average one. A month begins within a few days of where an average one would, so
 * that the step nearest to a time is right for both; only the way back needs the months. Steps of weeks begin on the day
 * of the week of the first time that is seen.
 */
export class StepGrid {
  readonly #stepMs: number;
  readonly #months: number | undefined;
  #shift: number | undefined;

  constructor({ stepMinutes, stepMonths }: { stepMinutes: number; stepMonths?: number | undefined }) {
    this.#stepMs = stepMinutes * MINUTE;
    this.#months = stepMonths;
    if (stepMonths !== undefined || !areWholeWeeks(stepMinutes)) this.#shift = 0;
  }

  see(time: number): void {
    this.#shift ??= (Math.round(time / DAY) * DAY) % this.#stepMs;
  }

  /** The step nearest to a time; NaN for what is no time. */
  stepOf(time: number): number {
    return Math.round((time - (this.#shift ?? 0)) / this.#stepMs);
  }

  /** The time at which a step begins. */
  timeOf(step: number): number {
    if (this.#months !== undefined) return Date.UTC(1970, step * this.#months);
    return step * this.#stepMs + (this.#shift ?? 0);
  }
}

/** The time a number of steps after the time of a step, or before it if negative; in milliseconds. */
export function timeAfter(
  { stepMinutes, stepMonths }: { stepMinutes: number; stepMonths?: number | undefined },
  time: number,
  steps: number,
): number {
  if (stepMonths === undefined) return time + steps * stepMinutes * MINUTE;
  const date = new Date(time);
  return date.setUTCMonth(date.getUTCMonth() + steps * stepMonths);
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
