// An alert in words: when, how sure, and by which rule.
import type { CrossingTimes } from './crossing.js';
import type { Rule } from './rule.js';

/**
 * 'web-01: cpu_user_pct over 90 % between 14:10 and 16:40, most likely at 15:25 (UTC; the median within 4 h)'.
 *
 * @param first when the rule's own quantile crosses.
 */
export function alertText(
  rule: Rule,
  server: string,
  at: number,
  first: number | undefined,
  { earliest, likely, latest }: CrossingTimes,
  stepMinutes: number,
): string {
  const across = `${rule.metric} ${rule.sign > 0 ? 'over' : 'under'} ${rule.threshold}${unitOf(rule)}`;
  const time = (when: number) => clock(when, at);
  const basis = `${quantileName(rule.quantile)} within ${spanOf(rule.within * stepMinutes)}`;
  let when: string;
  if (earliest !== undefined && latest !== undefined) {
    when = earliest === latest ? `at ${time(earliest)}` : `between ${time(earliest)} and ${time(latest)}`;
    if (likely !== undefined && likely !== earliest && likely !== latest)
      when += `, most likely at ${time(likely)}`;
  } else if (likely !== undefined) {
    when = `most likely at ${time(likely)}${earliest === undefined ? '' : `, not before ${time(earliest)}`}`;
  } else if (earliest !== undefined) {
    when = `possible from ${time(earliest)} on`;
  } else {
    when = first === undefined ? 'no longer expected' : `possible from ${time(first)} on`;
  }
  return `${server}: ${across} ${when} (UTC; ${basis})`;
}

export function resolvedText(rule: Rule, server: string, why: 'recovered' | 'silent' | 'removed'): string {
  const across = `${rule.metric} ${rule.sign > 0 ? 'over' : 'under'} ${rule.threshold}${unitOf(rule)}`;
  if (why === 'removed') return `${server}: the rule '${rule.name}' is gone or has changed`;
  if (why === 'silent') return `${server}: no forecast for so long that nothing is known of ${across}`;
  return `${server}: ${across} is no longer expected`;
}

function unitOf({ unit }: Rule): string {
  return unit === '' ? '' : ` ${unit}`;
}

function quantileName(quantile: number): string {
  return quantile === 0.5 ? 'the median' : `quantile ${quantile}`;
}

/** '4 h', '45 min' */
function spanOf(minutes: number): string {
  return minutes < 60 ? `${minutes} min` : `${Number((minutes / 60).toFixed(1))} h`;
}

/** '14:10', with the date where it is another day than now. */
function clock(when: number, now: number): string {
  const [date, time] = new Date(when).toISOString().slice(0, 16).split('T') as [string, string];
  return date === new Date(now).toISOString().slice(0, 10) ? time : `${date} ${time}`;
}
