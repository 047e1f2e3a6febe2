// Reads a JSON array of numbers, nested or flat, from bytes straight into a typed array: no string and no JavaScript
// array is made of what may be a million numbers, and the work can be done in slices.
import type { Holding } from '../../admission/budget.js';
import { badBody, type HttpError, refusal } from '../http-error.js';

/** The deepest nesting that is read; tensors have less. */
const MAX_DEPTH = 8;
const FIRST_CAPACITY = 1024;
/** The bytes of a number while it is read, plus those of its float32 or int32. */
const BYTES_EACH = 8 + 4;
/**
 * Longer numbers are refused: the longest double, with every digit written out, has about 1,080 characters. A number is read
 * without a pause, so a megabyte of digits would block the event loop.
 */
const LONGEST = 1100;

const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** 10^0 … 10^22: the powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** The states of the parser. */
const AFTER_OPEN = 0;
const AFTER_COMMA = 1;
const AFTER_VALUE = 2;

/** The state of reading one array, and afterwards its numbers and their shape. */
export class Numbers {
  /** The first `length` values are the numbers read, row-major; each is exact as a float32 or as a whole number. */
  values = new Float64Array(FIRST_CAPACITY);
  length = 0;
  /** The index after the array's last byte, once it has been read. */
  end = 0;
  readonly #bytes: Buffer;
  readonly #name: string;
  readonly #most: number;
  readonly #holding: Holding;
  #at: number;
  #state = AFTER_OPEN;
  #depth = 1;
  /** The number of items so far at each open depth, and the expected number, -1 if it is not known yet. */
  readonly #counts = new Int32Array(MAX_DEPTH + 1);
  readonly #sizes = new Int32Array(MAX_DEPTH + 1).fill(-1);
  /** The depth at which the numbers are; 0 before the first one. */
  #leaf = 0;

  /**
   * @param start the index of the array's bracket.
   * @param name its name in messages.
   * @param most the maximum number of numbers.
   * @param holding counts its memory.
   */
  constructor(bytes: Buffer, start: number, name: string, most: number, holding: Holding) {
    this.#bytes = bytes;
    this.#at = start + 1;
    this.#name = name;
    this.#most = most;
    this.#holding = holding;
    holding.take(FIRST_CAPACITY * BYTES_EACH);
  }

  /** `[2, 3]` for `[[1, 2, 3], [4, 5, 6]]`. */
  get shape(): number[] {
    return [...this.#sizes.subarray(1, Math.max(this.#leaf, 1) + 1)].map((size) => Math.max(size, 0));
  }

  /**
   * Continues reading up to the byte at `until`.
   *
   * @returns whether the array has ended.
   * @throws HttpError ERR_TFT_HTTP_BODY; ERR_TFT_INPUT_VALUE for an item that is not a number; ERR_TFT_HTTP_TOO_LARGE.
   */
  read(until: number): boolean {
    const bytes = this.#bytes;
    const stop = Math.min(until, bytes.length);
    while (this.#at < stop) {
      const byte = bytes[this.#at] as number;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        this.#at++;
      } else if (this.#state === AFTER_VALUE) {
        this.#at++;
        if (byte === COMMA) this.#state = AFTER_COMMA;
        else if (byte !== CLOSE) throw this.#unexpected(this.#at - 1);
        else if (this.#close()) return true;
      } else if (byte === OPEN) {
        this.#open();
      } else if (byte === CLOSE && this.#state === AFTER_OPEN) {
        this.#at++;
        if (this.#close()) return true;
      } else {
        this.#number();
      }
    }
    if (this.#at >= bytes.length) throw badBody(`the body ends inside ${this.#name}`);
    return false;
  }

  #open(): void {
    if (this.#depth === MAX_DEPTH) {
      throw badBody(`${this.#name}: arrays are nested deeper than ${MAX_DEPTH}`);
    }
    if (this.#leaf !== 0 && this.#depth >= this.#leaf) throw this.#uneven();
    this.#at++;
    this.#counts[this.#depth] = (this.#counts[this.#depth] as number) + 1;
    this.#counts[++this.#depth] = 0;
    this.#state = AFTER_OPEN;
  }

  /** Closes a bracket. @returns whether it was the outermost. */
  #close(): boolean {
    const count = this.#counts[this.#depth] as number;
    const size = this.#sizes[this.#depth] as number;
    if (size === -1) this.#sizes[this.#depth] = count;
    else if (size !== count) throw this.#uneven();
    this.#state = AFTER_VALUE;
    if (--this.#depth > 0) return false;
    this.end = this.#at;
    return true;
  }

  #number(): void {
    if (this.#leaf === 0) this.#leaf = this.#depth;
    else if (this.#leaf !== this.#depth) throw this.#uneven();
    const bytes = this.#bytes;
    const start = this.#at;
    const limit = start + LONGEST;
    let at = start;
    let byte = bytes[at] as number;
    const negative = byte === MINUS;
    if (negative) byte = bytes[++at] as number;
    let mantissa = 0;
    let digits = 0;
    let exponent = 0;
    if (byte === ZERO) {
      byte = bytes[++at] as number;
    } else {
      if (!(byte > ZERO && byte <= NINE)) throw this.#unexpected(start);
      do {
        mantissa = mantissa * 10 + (byte - ZERO);
        digits++;
        byte = bytes[++at] as number;
      } while (byte >= ZERO && byte <= NINE && at < limit);
    }
    if (byte === DOT) {
      byte = bytes[++at] as number;
      if (!(byte >= ZERO && byte <= NINE)) throw this.#unexpected(at);
      do {
        mantissa = mantissa * 10 + (byte - ZERO);
        if (mantissa !== 0) digits++;
        exponent--;
        byte = bytes[++at] as number;
      } while (byte >= ZERO && byte <= NINE && at < limit);
    }
    if (byte === 0x65 || byte === 0x45) {
      byte = bytes[++at] as number;
      const down = byte === MINUS;
      if (down || byte === PLUS) byte = bytes[++at] as number;
      if (!(byte >= ZERO && byte <= NINE)) throw this.#unexpected(at);
      let written = 0;
      do {
        if (written < 10_000) written = written * 10 + (byte - ZERO);
        byte = bytes[++at] as number;
      } while (byte >= ZERO && byte <= NINE && at < limit);
      exponent += down ? -written : written;
    }
    if (at >= limit) throw this.#tooLong();
    this.#at = at;
    const value = quickly(mantissa, digits, exponent);
    if (Number.isNaN(value)) this.#keep(Number(bytes.toString('latin1', start, at)));
    else this.#keep(negative ? -value : value);
  }

  #keep(value: number): void {
    if (this.length === this.values.length) {
      if (this.length >= this.#most) {
        throw refusal(
          'ERR_TFT_HTTP_TOO_LARGE',
          `${this.#name} has more than the ${this.#most} numbers that one request may have; send several requests`,
        );
      }
      const before = this.values.length;
      const capacity = Math.min(this.#most, before * 4);
      this.#holding.take(capacity * BYTES_EACH);
      const grown = new Float64Array(capacity);
      grown.set(this.values);
      this.#holding.give(before * BYTES_EACH);
      this.values = grown;
    }
    this.values[this.length++] = value;
    this.#counts[this.#depth] = (this.#counts[this.#depth] as number) + 1;
    this.#state = AFTER_VALUE;
  }

  #unexpected(at: number): HttpError {
    const found = this.#bytes.toString('latin1', at, at + 12).replace(/[^\x20-\x7e]/g, '?');
    if (found === '') return badBody(`the body ends inside ${this.#name}`);
    return refusal(
      'ERR_TFT_INPUT_VALUE',
      `${this.#name}: found '${found}' where number ${this.length} is expected (byte ${at}); NaN, Infinity, ` +
        'null and strings cannot be forecast from',
    );
  }

  #tooLong(): HttpError {
    return refusal(
      'ERR_TFT_INPUT_VALUE',
      `${this.#name}: number ${this.length} has more than ${LONGEST} characters; 17 digits are enough for any`,
    );
  }

  #uneven(): HttpError {
    return badBody(`${this.#name}: its rows differ in length or depth near number ${this.length}`);
  }
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);
/** In the lower half of a double: the bits that a float32 does not have, and the midpoint between two float32. */
const LOST_BITS = 0x1fffffff;
const MIDDLE = 0x10000000;
const DOUBT = 16;

/**
 * mantissa × 10^exponent if that is certainly right, else NaN. Up to 15 digits it is exact (Clinger 1990). Up to 19 digits it
 * may be wrong in a double's last places, which changes a float32 only near the midpoint between two. Whole numbers take the
 * exact path, because a category code must be whole.
 */
function quickly(mantissa: number, digits: number, exponent: number): number {
  if (digits > 19 || exponent < -22 || exponent > 22) return Number.NaN;
  const value =
    exponent < 0 ? mantissa / (POWERS[-exponent] as number) : mantissa * (POWERS[exponent] as number);
  if (digits <= 15) return value;
  double[0] = value;
  const lost = (halves[0] as number) & LOST_BITS;
  const close = Math.abs(lost - MIDDLE) <= DOUBT || Math.abs(value - Math.round(value)) <= value * 1e-14;
  return close ? Number.NaN : value;
}
