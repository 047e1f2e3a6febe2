// The calendar features that a model knows ahead, in UTC: the contents of decoder_cont.
import type { KnownFeature } from '../contract/model.js';

const FEATURES: Record<KnownFeature, (date: Date) => number> = {
  hour: (date) => date.getUTCHours(),
  /** 0 = Monday, as Python counts. */
  day_of_week: (date) => (date.getUTCDay() + 6) % 7,
  month: (date) => date.getUTCMonth() + 1,
  is_weekend: (date) => (date.getUTCDay() % 6 === 0 ? 1 : 0),
};

/** Writes `[steps, known]` for the steps from `start` on; `out` has exactly that length. */
export function writeCalendar(
  out: Float32Array,
  known: readonly KnownFeature[],
  start: number,
  stepMs: number,
): void {
  const features = known.map((name) => FEATURES[name]);
  const date = new Date(start);
  for (let at = 0; at < out.length; date.setTime(date.getTime() + stepMs)) {
    for (const feature of features) out[at++] = feature(date);
  }
}
