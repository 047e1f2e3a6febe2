// Writes predictions as JSON, flat or nested, into one buffer.
import { setImmediate } from 'node:timers/promises';
import { MAX_NUMBER_BYTES, writeNumber } from './json/write-numbers.js';

/** The numbers that are written in one turn of the event loop: one or two milliseconds. */
const SLICE = 16_384;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = 0x2c;

/**
 * Writes `head`, then the values as a JSON array, then `tail`.
 *
 * @param shape the nesting of the values, the innermost dimension last; `[values.length]` for a flat array.
 */
export async function writePredictions(
  head: string,
  values: Float32Array,
  shape: readonly number[],
  tail: string,
): Promise<Buffer> {
  // The number of values inside a bracket of each level, outermost first.
  const embraced = shape.map((_, depth) => shape.slice(depth).reduce((product, size) => product * size, 1));
  const brackets = 2 * shape.length;
  const parts: Buffer[] = [Buffer.from(head)];
  for (let from = 0; from < values.length; from += SLICE) {
    if (from > 0) await setImmediate();
    const to = Math.min(values.length, from + SLICE);
    const out = Buffer.allocUnsafe((to - from) * (MAX_NUMBER_BYTES + 1 + brackets));
    let at = 0;
    for (let index = from; index < to; index++) {
      if (index > 0) out[at++] = COMMA;
      for (const size of embraced) if (index % size === 0) out[at++] = OPEN;
      at = writeNumber(out, at, values[index] as number);
      for (const size of embraced) if ((index + 1) % size === 0) out[at++] = CLOSE;
    }
    // Copied, because most of `out` is unused.
    parts.push(Buffer.from(out.subarray(0, at)));
  }
  parts.push(Buffer.from(tail));
  return Buffer.concat(parts);
}
