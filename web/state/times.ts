// Times and durations as text. Times are shown in the reader's zone or in UTC; the day is named if it would be ambiguous.
import type { OverviewRow } from '../../src/fleet/api.js';

export type Zone = 'local' | 'utc';
type Instant = Date | string | number;

const MINUTE = 60_000;
/** Within this span an hour can be meant of one day only, so the day is not named. */
const UNDOUBTED = 12 * 60 * MINUTE;
const formats = new Map<string, Intl.DateTimeFormat>();

/** `14:05`; `Tue 02:10` where that is another day and twelve hours or more away; `3 Nov 02:10` beyond a week. */
export function clock(at: Instant, now: Instant, zone: Zone): string {
  const time = format('time', zone).format(new Date(at));
  const apart = Math.abs(Number(new Date(at)) - Number(new Date(now)));
  if (apart < UNDOUBTED || isSameDay(at, now, zone)) return time;
  return `${format(apart < 6 * 24 * 60 * MINUTE ? 'weekday' : 'day', zone).format(new Date(at))} ${time}`;
}

/** Whether both times are of one day of the zone. */
export function isSameDay(one: Instant, other: Instant, zone: Zone): boolean {
  const day = format('date', zone);
  return day.format(new Date(one)) === day.format(new Date(other));
}

/** With seconds: when the page last got data. */
export function exactClock(at: Instant, zone: Zone): string {
  return format('seconds', zone).format(new Date(at));
}

function format(kind: 'time' | 'seconds' | 'date' | 'weekday' | 'day', zone: Zone): Intl.DateTimeFormat {
  const name = `${kind} ${zone}`;
  let made = formats.get(name);
  if (made === undefined) {
    made = new Intl.DateTimeFormat('en-GB', {
      ...FORMATS[kind],
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    });
    formats.set(name, made);
  }
  return made;
}

const FORMATS = {
  time: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  seconds: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  date: { year: 'numeric', month: '2-digit', day: '2-digit' },
  weekday: { weekday: 'short' },
  day: { day: 'numeric', month: 'short' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

/** The name of the zone, such as `UTC` or `GMT+1`. */
export function zoneName(at: Instant, zone: Zone): string {
  if (zone === 'utc') return 'UTC';
  const parts = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(new Date(at));
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'local';
}

/** `40 s`, `5 min`, `3 h 20 min`, `2 days`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** `just now`, or the duration and `ago`. */
export function ago(seconds: number): string {
  return seconds < 3 ? 'just now' : `${duration(seconds)} ago`;
}

export interface CrossingText {
  /** For the table: `14:10 – 16:40`. */
  readonly interval: string;
  /** Beside it: `likely 15:05`, `likely`, or `possibly` where the median does not cross. */
  readonly note: string;
  /** A sentence without its subject: `between 14:10 and 16:40, likely at 15:05`. */
  readonly sentence: string;
}

type Crossing = Pick<NonNullable<OverviewRow['crossing']>, 'earliest' | 'likely' | 'latest'>;

/** When a threshold is crossed. An open end means that the forecast does not cross by its end. */
export function crossingText(crossing: Crossing, now: Instant, zone: Zone): CrossingText {
  const { likely, latest } = crossing;
  const earliest = crossing.earliest ?? likely ?? latest;
  if (earliest === null) return { interval: '', note: '', sentence: 'not within the forecast' };
  const text = (at: string) => clock(at, now, zone);
  const from = text(earliest);
  if (likely === null)
    return { interval: `from ${from}`, note: 'possibly', sentence: `possibly from ${from}` };
  const isFirst = likely === earliest;
  const note = isFirst ? 'likely' : `likely ${text(likely)}`;
  const median = isFirst ? '' : `, likely at ${text(likely)}`;
  if (latest === null) {
    const sentence = isFirst ? `likely from ${from}` : `from ${from}${median}`;
    return { interval: `from ${from}`, note, sentence };
  }
  if (latest === earliest) return { interval: from, note: 'nearly certain', sentence: `at ${from}` };
  const until = text(latest);
  return { interval: `${from} – ${until}`, note, sentence: `between ${from} and ${until}${median}` };
}
