// Hours of the week in a time zone, in which a rule is not evaluated or sends no notification.
import { z } from 'zod';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time of day such as 22:30');

/** From `from` up to `to`; it crosses midnight if `to` is not later than `from`, and `days` are those on which it begins. */
export const hoursSchema = z.strictObject({
  from: clock,
  to: clock,
  days: z.array(z.enum(DAYS)).min(1).optional().describe('every day by default'),
  zone: z.string().refine(isZone, { error: 'is no time zone such as UTC or Europe/Berlin' }).default('UTC'),
});
export type Hours = z.infer<typeof hoursSchema>;

/**
 * Whether a time, in milliseconds since 1970, is within any of them. Results are cached, because every server asks for the same
 * steps.
 */
export function withinHours(list: readonly Hours[]): (time: number) => boolean {
  if (list.length === 0) return () => false;
  const tests = list.map(within);
  const known = new Map<number, boolean>();
  return (time) => {
    let answer = known.get(time);
    if (answer === undefined) {
      answer = tests.some((test) => test(time));
      if (known.size > 4_096) known.clear();
      known.set(time, answer);
    }
    return answer;
  };
}

function within({ from, to, days, zone }: Hours): (time: number) => boolean {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const on = (day: number) =>
    days === undefined || days.includes(DAYS[(day + 7) % 7] as (typeof DAYS)[number]);
  return (time) => {
    const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const day = DAYS.indexOf((parts.weekday ?? '').toLowerCase() as (typeof DAYS)[number]);
    const minute = Number(parts.hour) * 60 + Number(parts.minute);
    if (begin < end) return on(day) && minute >= begin && minute < end;
    return (on(day) && minute >= begin) || (on(day - 1) && minute < end);
  };
}

function minutesOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number) as [number, number];
  return hours * 60 + minutes;
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
