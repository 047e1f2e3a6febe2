// The service's own reading and writing of numbers against JavaScript's.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteBudget } from '../../src/service/admission/budget.js';
import { type Scanned, scanTensors } from '../../src/service/http/json/tensor-scan.js';
import { MAX_NUMBER_BYTES, writeNumber } from '../../src/service/http/json/write-numbers.js';
import { writePredictions } from '../../src/service/http/write-predictions.js';

const KEYS = new Set(['data']);
const holding = () => new ByteBudget(2 ** 30).hold();

function scan(bytes: Buffer, maxNumbers = 1_000_000): Promise<Scanned> {
  return scanTensors(bytes, { keys: KEYS, maxTensors: 4, maxNumbers, expected: 'data' }, holding());
}

async function read(text: string): Promise<number[]> {
  const { tensors } = await scan(Buffer.from(`{"data":[${text}]}`));
  const [numbers] = tensors;
  return Array.from(numbers?.values.subarray(0, numbers.length) ?? []);
}

function write(value: number): string {
  const out = Buffer.alloc(MAX_NUMBER_BYTES);
  return out.toString('latin1', 0, writeNumber(out, 0, value));
}

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

describe('reading', () => {
  test('any double, as JavaScript writes it, is the same float32', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })), async (values) => {
        const found = await read(values.map((value) => JSON.stringify(value)).join(' , '));
        expect(found.map(Math.fround)).toEqual(values.map((value) => Math.fround(value === 0 ? 0 : value)));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test('any float32, with up to 25 digits and an exponent, is itself', async () => {
    await fc.assert(
      fc.asyncProperty(float32, fc.integer({ min: 8, max: 25 }), async (value, digits) => {
        for (const text of [value.toExponential(digits), value.toPrecision(digits)]) {
          expect(Math.fround((await read(text))[0] ?? Number.NaN)).toBe(Math.fround(Number(text)));
        }
      }),
      { numRuns: 2000, seed: 2 },
    );
  });

  test('decimals near the middle between two float32 round as JavaScript rounds them', async () => {
    const middle = fc.float({ min: 1, max: 1000, noNaN: true }).chain((low) => {
      const bits = new Uint32Array(new Float32Array([low]).buffer);
      bits[0] = (bits[0] ?? 0) + 1;
      const exact = (low + (new Float32Array(bits.buffer)[0] ?? 0)) / 2;
      return fc.integer({ min: -3, max: 3 }).map((steps) => (exact + steps * 1e-13).toPrecision(17));
    });
    await fc.assert(
      fc.asyncProperty(middle, async (text) => {
        expect(Math.fround((await read(text))[0] ?? Number.NaN)).toBe(Math.fround(Number(text)));
      }),
      { numRuns: 2000, seed: 3 },
    );
  });

  test('whole numbers are exact', async () => {
    await fc.assert(
      fc.asyncProperty(fc.maxSafeInteger(), async (value) => {
        expect(await read(`${value}, ${value}.0, ${value}.00000000000000000000`)).toEqual([
          value,
          value,
          value,
        ]);
      }),
      { seed: 4 },
    );
  });

  test('takes what JSON.parse takes and refuses what it refuses', async () => {
    const pieces = fc.array(
      fc.constantFrom('0', '1', '9', '-', '+', '.', 'e', 'E', ',', ' ', '\n', '[', ']', '00', '1.5'),
      {
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (list) => {
        const inner = list.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(`[${inner}]`);
        } catch {
          await expect(read(inner)).rejects.toThrow();
          return;
        }
        // Uneven rows are JSON, but no tensor.
        const flat = (expected as unknown[]).flat(8) as number[];
        const found = await read(inner).catch((error: Error) => error.message);
        if (typeof found === 'string') expect(found).toMatch(/rows differ/);
        else expect(found).toEqual(flat);
      }),
      { numRuns: 3000, seed: 5 },
    );
  });

  test('keys may have escapes and other letters, and a byte order mark may come first', async () => {
    const text = '\uFEFF{"d\\u0061ta": [1, 2], "größe": "data", "data ": 3, "of": {"data": [4]}}';
    const { tensors, rest } = await scan(Buffer.from(text), 10);
    expect(rest).toEqual({ data: 0, größe: 'data', 'data ': 3, of: { data: 1 } });
    expect(tensors.map(({ length }) => length)).toEqual([2, 1]);
  });

  test.each([
    ['in a key', [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]],
    ['in a value', [0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0x22, 0x7d]],
  ])('bytes that are no UTF-8 are refused %s', async (_where, bytes) => {
    await expect(scan(Buffer.from(bytes), 10)).rejects.toMatchObject({
      code: 'ERR_TFT_HTTP_BODY',
      message: expect.stringContaining('UTF-8'),
    });
  });

  test('the shape is that of the brackets, across many slices of a large body', async () => {
    const rows = Array.from({ length: 40_000 }, (_, row) => [row, row + 0.5]);
    const { tensors, rest } = await scan(Buffer.from(JSON.stringify({ id: 'a', data: rows })));
    expect(tensors[0]?.shape).toEqual([40_000, 2]);
    expect(tensors[0]?.length).toBe(80_000);
    expect(Array.from(tensors[0]?.values.subarray(79_998, 80_000) ?? [])).toEqual([39_999, 39_999.5]);
    expect(rest).toEqual({ id: 'a', data: 0 });
  });
});

describe('writing', () => {
  test('any float32 reads back as itself, in no more digits than it needs', () => {
    fc.assert(
      fc.property(fc.oneof(float32, fc.float({ min: -1000, max: 1000, noNaN: true })), (value) => {
        const text = write(value);
        expect(Math.fround(JSON.parse(text) as number)).toBe(value + 0);
        if (Math.abs(value) < 1e7 && Math.abs(value) >= 1e-4) {
          const digits = text.replace(/[-.]/g, '').replace(/^0+/, '').length;
          const needed = [1, 2, 3, 4, 5, 6, 7, 8, 9].find(
            (precision) => Math.fround(Number(value.toPrecision(precision))) === value,
          );
          if (!Number.isInteger(value)) expect(digits).toBeLessThanOrEqual(Math.max(needed ?? 9, 1));
        }
      }),
      { numRuns: 5000, seed: 6 },
    );
  });

  test.each([
    [0, '0'],
    [-0, '0'],
    [0.5, '0.5'],
    [-12.25, '-12.25'],
    [Math.fround(0.1), '0.1'],
    [100, '100'],
    [9999999, '9999999'],
    [Math.fround(99999.995), '99999.99'],
    [Number.NaN, 'null'],
    [Number.POSITIVE_INFINITY, 'null'],
  ])('%d is %s', (value, text) => expect(write(value)).toBe(text));

  test('nested as asked, between head and tail', async () => {
    const values = Float32Array.from({ length: 24 }, (_, index) => index / 4);
    const bytes = await writePredictions('{"a":', values, [2, 3, 4], '}');
    const { a } = JSON.parse(bytes.toString()) as { a: number[][][] };
    expect(a.flat(2)).toEqual(Array.from(values));
    expect(a.map((row) => row.map((steps) => steps.length))).toEqual([
      [4, 4, 4],
      [4, 4, 4],
    ]);
  });
});
