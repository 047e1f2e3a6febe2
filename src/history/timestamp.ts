// Parses and formats timestamps, always in UTC. Date.parse is not used, because it accepts invalid text and reads a time
// without a zone as local time.

const MINUTE = 60_000;
const DAY = 86_400_000;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** Since 1970, by their digits: seconds, milliseconds, microseconds, nanoseconds; maybe with decimals or an exponent. */
const EPOCH = /^(\d+)(?:\.(\d+))?(?:[eE]\+?(\d{1,2}))?$/;
const EPOCH_SCALES: Readonly<Record<number, number>> = { 10: 1000, 13: 1, 16: 1e-3, 19: 1e-6 };
/** 20260131T220500Z, as AWS writes it. */
const BASIC = /^(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(\d\d)?(.*)$/;
/** A date alone, its first moment. */
const DATE = /^\d{4}([-/])\d\d\1\d\d$/;
const SLASHES = /^(\d{4})\/(\d\d)\/(\d\d)/;
/** Names of UTC after a blank, or in brackets after a zone; and a blank before an offset. */
const UTC_NAME = / ?(?:UTC|GMT)$|(?<=[Zz0-9])\[(?:UTC|GMT|Z|Etc\/UTC)\]$/;
const SPACED_OFFSET = / (?=[+-]\d\d:?\d\d$)/;

/**
 * Reads a time stamp: ISO 8601 (`2026-01-31T22:05Z`, `2026-01-31 22:05:30.250+01:00`, `20260131T220500Z`, `2026/01/31 22:05`,
 * `2026-01-31 22:05 UTC`; seconds and zone may be left out, and without a zone it is UTC), a date alone, or seconds,
 * milliseconds, microseconds or nanoseconds since 1970 (10, 13, 16, 19 digits, with or without decimals).
 *
 * Dates with the day or month first are refused, because they are ambiguous.
 *
 * @returns milliseconds since 1970, or NaN if the text is none of these.
 */
export function parseTimestamp(text: string): number {
  const time = parseIso(text);
  return Number.isNaN(time) ? parseOtherSpelling(text) : time;
}

/** Converts rare spellings to the usual one. */
function parseOtherSpelling(text: string): number {
  const plain = text
    .replace(UTC_NAME, (name) => (name.startsWith('[') ? '' : 'Z'))
    .replace(SPACED_OFFSET, '');
  if (DATE.test(plain)) return parseIso(`${plain.replaceAll('/', '-')}T00:00`);
  const basic = BASIC.exec(plain);
  if (basic) {
    const [, year, month, day, hour, minute, second = '00', zone] = basic;
    return parseIso(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  }
  const other = plain.replace(SLASHES, '$1-$2-$3');
  return other === text ? Number.NaN : parseIso(other);
}

function parseIso(text: string): number {
  // 'YYYY-MM-DDTHH:MM' is 16 characters.
  if (text.length < 16 || text.charCodeAt(4) !== 45) return parseEpoch(text);
  const separator = text.charCodeAt(10);
  if (text.charCodeAt(7) !== 45 || text.charCodeAt(13) !== 58) return Number.NaN;
  if (separator !== 84 && separator !== 116 && separator !== 32) return Number.NaN;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  if (!(hour <= 23 && minute <= 59)) return Number.NaN;

  let at = 16;
  let milliseconds = 0;
  if (text.charCodeAt(at) === 58) {
    const second = digits(text, at + 1, 2);
    if (!(second <= 59)) return Number.NaN;
    milliseconds = second * 1000;
    at += 3;
    const mark = text.charCodeAt(at);
    if (mark === 46 || mark === 44) {
      const first = ++at;
      for (let scale = 100; isDigit(text.charCodeAt(at)); at++, scale /= 10) {
        milliseconds += (text.charCodeAt(at) - 48) * scale;
      }
      if (at === first) return Number.NaN;
    }
  }
  const zone = at === text.length ? 0 : parseZone(text, at);
  const days = daysSince1970(year, month, day);
  return days * DAY + (hour * 60 + minute - zone) * MINUTE + Math.floor(milliseconds);
}

/** Formats a time in UTC, with seconds only if they are not zero: `2026-01-31T22:05Z`. */
export function formatTimestamp(time: number | Date): string {
  const iso = new Date(time).toISOString();
  if (iso.endsWith(':00.000Z')) return `${iso.slice(0, -8)}Z`;
  return iso.endsWith('.000Z') ? `${iso.slice(0, -5)}Z` : iso;
}

/** Minutes east of UTC of 'Z', '+01', '+0130' or '+01:30', or NaN. */
function parseZone(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  const rest = text.length - at;
  if (sign === 90 || sign === 122) return rest === 1 ? 0 : Number.NaN;
  if (sign !== 43 && sign !== 45) return Number.NaN;
  const colon = text.charCodeAt(at + 3) === 58;
  if (rest !== 3 && rest !== (colon ? 6 : 5)) return Number.NaN;
  const hours = digits(text, at + 1, 2);
  const minutes = rest === 3 ? 0 : digits(text, at + (colon ? 4 : 3), 2);
  if (!(hours <= 14 && minutes <= 59)) return Number.NaN;
  return (sign === 45 ? -1 : 1) * (hours * 60 + minutes);
}

function parseEpoch(text: string): number {
  const match = EPOCH.exec(text);
  if (match === null) return Number.NaN;
  const [, whole = '', , exponent] = match;
  // 1.77e+09 has ten digits before its point once it is written out.
  const digitsBefore = exponent === undefined ? whole.length : Number(exponent) + whole.length;
  const scale = EPOCH_SCALES[digitsBefore];
  if (scale === undefined) return Number.NaN;
  // A double cannot represent nanoseconds; the first digits are the milliseconds.
  if (scale < 1 && exponent === undefined) return Number(whole.slice(0, 13));
  return Math.floor(Number(text) * scale);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index++) {
    const code = text.charCodeAt(index);
    if (!isDigit(code)) return Number.NaN;
    value = value * 10 + code - 48;
  }
  return value;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Whole days from 1970-01-01 to a date of the Gregorian calendar. */
function daysSince1970(year: number, month: number, day: number): number {
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - 477;
  const leapToday = month > 2 && isLeapYear(year) ? 1 : 0;
  return (year - 1970) * 365 + leapDays + (DAYS_BEFORE_MONTH[month - 1] as number) + leapToday + day - 1;
}
