// Splits a JSON body: the arrays of numbers, which may be megabytes, are read by `Numbers`. The rest, a few hundred bytes,
// is parsed by JSON.parse, which checks it strictly.
import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import type { Holding } from '../../admission/budget.js';
import { badBody, type HttpError, refusal } from '../http-error.js';
import { Numbers } from './numbers.js';

/** The size limit of everything that is not numbers. */
const MAX_TEXT_BYTES = 64 * 1024;
/** The bytes that are read in one turn of the event loop: one or two milliseconds. */
const SLICE = 256 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN = 0x5b;
/** The letter that null begins with. */
const NULL = 0x6e;

/** The parts of a body. */
export interface Scanned {
  /** The JSON with each array of numbers replaced by its index in `tensors`. */
  readonly rest: unknown;
  readonly tensors: readonly Numbers[];
}

/** The limits of a body. */
export interface ScanRules {
  /** The keys whose values are arrays of numbers, at any depth. */
  readonly keys: ReadonlySet<string>;
  /** The maximum number of such arrays, so that an attacker cannot allocate memory for more. */
  readonly maxTensors: number;
  /** The maximum number of numbers in one array. */
  readonly maxNumbers: number;
  /** The expected keys, for messages. */
  readonly expected: string;
}

/**
 * Reads a body, and yields to the event loop every few milliseconds.
 *
 * @param holding counts the memory of the numbers.
 * @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_INPUT_VALUE, ERR_TFT_HTTP_TOO_LARGE,
 *   ERR_TFT_HTTP_OVERLOADED.
 */
export async function scanTensors(
  bytes: Buffer,
  { keys, maxTensors, maxNumbers, expected }: ScanRules,
  holding: Holding,
): Promise<Scanned> {
  const tensors: Numbers[] = [];
  const pieces: string[] = [];
  // A byte order mark is not part of the text.
  let from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let at = from;
  let text = 0;
  /** The last array that is not one of the tensors. */
  let array: string | undefined;
  let until = SLICE;
  const take = (end: number) => {
    text += end - from;
    pieces.push(textOf(bytes, from, end));
  };
  while (at < bytes.length) {
    if (text + at - from > MAX_TEXT_BYTES) {
      throw array === undefined ? tooMuchText() : unknownArray(array, expected);
    }
    if (bytes[at++] !== QUOTE) continue;
    const start = at;
    at = endOfString(bytes, at, MAX_TEXT_BYTES);
    const colon = skipSpace(bytes, at);
    if (bytes[colon] !== COLON) continue;
    const key = keyOf(bytes, start, at - 1);
    at = skipSpace(bytes, colon + 1);
    if (!keys.has(key)) {
      if (bytes[at] === OPEN) array = key;
      continue;
    }
    // Many clients write null for a missing value.
    if (bytes[at] === NULL) continue;
    if (bytes[at] !== OPEN) throw badBody(`'${key}' must be an array of numbers`);
    take(at);
    if (tensors.length === maxTensors) {
      throw badBody(`there are more than ${maxTensors} arrays called '${key}' and the like`);
    }
    const numbers = new Numbers(bytes, at, `'${key}'`, maxNumbers, holding);
    while (!numbers.read(until)) {
      await setImmediate();
      until += SLICE;
    }
    // Blanks, so that adjacent text does not become a part of the number.
    pieces.push(` ${tensors.length} `);
    tensors.push(numbers);
    from = numbers.end;
    at = from;
  }
  take(at);
  return { rest: parse(pieces.join('')), tensors };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badBody(text.trim() === '' ? 'the body is empty; JSON is expected' : 'the body is not JSON', cause);
  }
}

function textOf(bytes: Buffer, start: number, end: number): string {
  if (end - start > MAX_TEXT_BYTES) throw tooMuchText();
  const part = bytes.subarray(start, end);
  if (!isUtf8(part)) throw badBody('the body is not UTF-8');
  return part.toString();
}

/**
 * Decodes a key. This is correct for ASCII, which the keys of tensors are; invalid UTF-8 is detected when the text is
 * decoded. A key may be written with escapes, which must be recognised too.
 */
function keyOf(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('latin1', start, end);
  if (!text.includes('\\')) return text;
  const key = parse(`"${text}"`);
  return typeof key === 'string' ? key : '';
}

/** The index after a string's closing quote. */
function endOfString(bytes: Buffer, start: number, most: number): number {
  const end = Math.min(bytes.length, start + most);
  for (let at = start; at < end; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  if (end < bytes.length) throw tooMuchText();
  throw badBody('the body ends inside a string');
}

/** Endless blanks would block the event loop; they count as text. */
function skipSpace(bytes: Buffer, start: number): number {
  const end = start + MAX_TEXT_BYTES;
  let at = start;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) {
    if (++at > end) throw tooMuchText();
  }
  return at;
}

/** The error for arrays of numbers under unknown names, instead of one about their size. */
function unknownArray(key: string, expected: string): HttpError {
  return badBody(`'${key.slice(0, 40)}' is unknown; ${expected} are expected`);
}

function tooMuchText(): HttpError {
  return refusal(
    'ERR_TFT_HTTP_TOO_LARGE',
    `the body has more than ${MAX_TEXT_BYTES} bytes besides its numbers`,
  );
}
