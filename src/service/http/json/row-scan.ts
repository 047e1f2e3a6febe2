// Reads a body of many small JSON objects, one at a time: a list of rows, an object with such a list, or a row a line.
// JSON.parse of the whole would keep the event loop for as long as the body is large.
import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { badBody, refusal } from '../http-error.js';

/** The bytes that are read in one turn of the event loop: one or two milliseconds. */
const SLICE = 64 * 1024;
/** Rows may be as short as three bytes, and each takes a microsecond. */
const ROWS_A_TURN = 1000;
/** The size limit of one row, of blanks in one place, and of all text outside the rows. */
const MAX_TEXT_BYTES = 64 * 1024;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x5b, 0x5d, 0x7b, 0x7d];
const NEWLINE = 0x0a;

/** What a body of rows may be. */
export interface RowRules {
  /** The name of the list in the outermost object; 'rows' without it. */
  readonly key?: string;
  /** The largest number of rows. */
  readonly maxRows?: number;
}

/**
 * Calls `take` with each row of `[…]` or `{ "rows": […], … }`, until one is invalid.
 *
 * @param pause is called between slices.
 * @returns the object without its rows; {} for a bare list.
 * @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_HTTP_TOO_LARGE; and what `take` and `pause` throw.
 */
export async function scanRows(
  bytes: Buffer,
  take: (row: unknown, index: number) => void,
  pause: () => void,
  { key = 'rows', maxRows = Number.POSITIVE_INFINITY }: RowRules = {},
): Promise<unknown> {
  if (!isUtf8(bytes)) throw badBody('the body is not UTF-8');
  const list = findRows(bytes, key);
  let at = list + 1;
  let index = 0;
  let until = at + SLICE;
  let untilRow = ROWS_A_TURN;
  for (let isFirst = true; ; isFirst = false) {
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE_LIST && isFirst) break;
    const end = endOfValue(bytes, at);
    if (index >= maxRows) {
      throw refusal(
        'ERR_TFT_HTTP_TOO_LARGE',
        `there are more than ${maxRows.toLocaleString('en')} ${key}; send several requests`,
      );
    }
    take(parseRow(bytes, at, end, `${key}[${index}]`), index);
    index++;
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_LIST) break;
    if (bytes[at] !== COMMA)
      throw badBody(`after ${key}[${index - 1}] a comma or the end of the list is expected`);
    at++;
    if (at > until || index >= untilRow) {
      pause();
      await setImmediate();
      until = at + SLICE;
      untilRow = index + ROWS_A_TURN;
    }
  }
  if (list + bytes.length - at > MAX_TEXT_BYTES) throw tooLong(`the text outside the ${key}`);
  const before = bytes.toString('utf8', 0, list);
  const after = bytes.toString('utf8', at + 1);
  try {
    const { [key]: _taken, ...rest } = (JSON.parse(`${before}null${after}`) ?? {}) as Record<string, unknown>;
    return rest;
  } catch (cause) {
    throw badBody(`the body is not JSON: ${(cause as Error).message}`, cause);
  }
}

/**
 * Calls `take` with the row of each line that is not blank.
 *
 * @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_HTTP_TOO_LARGE; and what `take` and `pause` throw.
 */
export async function scanLines(
  bytes: Buffer,
  take: (row: unknown, index: number) => void,
  pause: () => void,
): Promise<void> {
  if (!isUtf8(bytes)) throw badBody('the body is not UTF-8');
  let index = 0;
  let until = SLICE;
  let untilRow = ROWS_A_TURN;
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    // Not beyond its line, or each line of a body of blank lines would be scanned to the end of the body.
    if (skipSpace(bytes, at, end) < end) take(parseRow(bytes, at, end, `rows[${index}]`), index++);
    at = end + 1;
    if (at > until || index >= untilRow) {
      pause();
      await setImmediate();
      until = at + SLICE;
      untilRow = index + ROWS_A_TURN;
    }
  }
}

/** Where the list of rows begins: the body itself, or the value of `key` in the outermost object. */
function findRows(bytes: Buffer, wanted: string): number {
  const start = skipSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  if (bytes[start] === OPEN_LIST) return start;
  if (bytes[start] === OPEN) {
    for (let at = skipSpace(bytes, start + 1); bytes[at] === QUOTE; ) {
      const end = endOfValue(bytes, at);
      const key = bytes.toString('latin1', at + 1, end - 1);
      const value = skipSpace(bytes, skipSpace(bytes, end) + 1);
      if (key === wanted && bytes[value] === OPEN_LIST) return value;
      at = skipSpace(bytes, skipSpace(bytes, endOfValue(bytes, value)) + 1);
      if (at > MAX_TEXT_BYTES) throw tooLong(`the text before the ${wanted}`);
    }
  }
  throw badBody(`a list of ${wanted} is expected, or an object with one under "${wanted}"`);
}

/**
 * The byte after the value that begins at `at`. JSON.parse reports errors inside it.
 *
 * @throws HttpError ERR_TFT_HTTP_TOO_LARGE for one that is longer than a row may be.
 */
function endOfValue(bytes: Buffer, at: number): number {
  let depth = 0;
  let isText = false;
  const end = Math.min(bytes.length, at + MAX_TEXT_BYTES);
  for (let place = at; place < end; place++) {
    const byte = bytes[place] as number;
    if (isText) {
      if (byte === BACKSLASH) place++;
      else if (byte === QUOTE) isText = false;
      if (isText || depth > 0) continue;
      return place + 1;
    }
    if (byte === QUOTE) isText = true;
    else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE || byte === CLOSE_LIST) {
      if (depth === 0) return place;
      if (--depth === 0) return place + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return place;
  }
  if (end < bytes.length) throw tooLong(`the value at byte ${at}`);
  throw badBody('the body ends within its JSON; was it cut off?');
}

function parseRow(bytes: Buffer, from: number, to: number, name: string): unknown {
  if (to - from > MAX_TEXT_BYTES) throw tooLong(name);
  try {
    return JSON.parse(bytes.toString('utf8', from, to));
  } catch (cause) {
    throw badBody(`${name} is not JSON: ${(cause as Error).message}`, cause);
  }
}

/** @throws HttpError ERR_TFT_HTTP_TOO_LARGE for too many blanks. */
function skipSpace(bytes: Buffer, from: number, to = bytes.length): number {
  const end = Math.min(to, from + MAX_TEXT_BYTES);
  let at = from;
  while (at < end && isSpace(bytes[at] as number)) at++;
  if (at === end && end < to) throw tooLong(`the blanks at byte ${from}`);
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function tooLong(what: string) {
  return refusal('ERR_TFT_HTTP_TOO_LARGE', `${what}: longer than ${MAX_TEXT_BYTES / 1024} KiB`);
}
