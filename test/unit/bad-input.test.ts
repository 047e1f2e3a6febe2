// Every kind of bad input, through the public API: the code, and a message with the tensor, the index of the first bad
// value, the found and the expected value.
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ForecastInputs, type PredictOptions, TFTEngine, TFTError } from '../../src/index.js';
import { bundles, constantInputs, samples, tinyAnswer, variedInputs, WIDTH } from '../fixtures/bundles.js';

let engine: TFTEngine;
beforeAll(async () => {
  engine = await TFTEngine.load(bundles.tiny, { maxBatch: 4 });
});
afterAll(() => engine.close());

async function refusal(inputs: unknown, options?: unknown): Promise<TFTError> {
  const result = await engine
    .predict(inputs as ForecastInputs, options as PredictOptions)
    .catch((error: unknown) => error);
  expect(result).toBeInstanceOf(TFTError);
  return result as TFTError;
}

function set<T extends keyof ForecastInputs>(batch: number, name: T, index: number, value: number) {
  const inputs = variedInputs(batch, 3);
  inputs[name][index] = value;
  return inputs;
}

describe('wrong types', () => {
  test.each([
    ['encoderCont', new Float64Array(18), 'Float64Array', 'Float32Array'],
    ['encoderCont', Array.from({ length: 18 }, () => 0), 'Array', 'Float32Array'],
    ['encoderCont', undefined, 'undefined', 'Float32Array'],
    ['encoderCat', new Float32Array(12), 'Float32Array', 'Int32Array'],
    ['encoderCat', new BigInt64Array(12), 'BigInt64Array', 'Int32Array'],
    ['encoderCat', null, 'null', 'Int32Array'],
    ['decoderCont', Buffer.alloc(32), 'Uint8Array', 'Float32Array'],
    ['decoderCont', new ArrayBuffer(32), 'ArrayBuffer', 'Float32Array'],
    ['decoderCat', new Uint32Array(8), 'Uint32Array', 'Int32Array'],
    ['decoderCat', 'text', 'string', 'Int32Array'],
    ['decoderCat', { length: 8 }, 'Object', 'Int32Array'],
  ])('%s given as %o', async (name, value, found, wanted) => {
    const error = await refusal({ ...constantInputs(1), [name]: value });
    expect(error.code).toBe('ERR_TFT_INPUT_TYPE');
    expect(error.message).toBe(`${name}: found ${found}, expected ${wanted}`);
    expect(error.details).toEqual({ tensor: name, found, expected: wanted });
  });

  test.each([undefined, null, 7, 'text', true])('inputs given as %o', async (inputs) => {
    expect((await refusal(inputs)).code).toBe('ERR_TFT_INPUT_TYPE');
  });

  test('an object that only pretends to be a Float32Array', async () => {
    const pretender = Object.create(Float32Array.prototype);
    expect((await refusal({ ...constantInputs(1), encoderCont: pretender })).code).toBe('ERR_TFT_INPUT_TYPE');
  });
});

describe('wrong lengths', () => {
  test.each([
    ['encoderCont', new Float32Array(17), '6 steps × 3 values'],
    ['encoderCat', new Int32Array(13), '6 steps × 2 values'],
    ['decoderCont', new Float32Array(4), '4 steps × 2 values'],
    ['decoderCat', new Int32Array(1), '4 steps × 2 values'],
  ])("%s of a length that is not a multiple of one series' length", async (name, value, shape) => {
    const error = await refusal({ ...constantInputs(1), [name]: value });
    expect(error.code).toBe('ERR_TFT_INPUT_LENGTH');
    expect(error.message).toContain(`${name}: found length ${value.length}, expected a multiple of`);
    expect(error.message).toContain(shape);
  });

  test('tensors of unequal batch', async () => {
    const { encoderCat } = constantInputs(3);
    const error = await refusal({ ...constantInputs(2), encoderCat });
    expect(error.code).toBe('ERR_TFT_INPUT_BATCH');
    expect(error.message).toContain('encoderCont 2, encoderCat 3, decoderCont 2, decoderCat 2');
  });

  test('an empty batch', async () => {
    expect((await refusal(constantInputs(0))).code).toBe('ERR_TFT_INPUT_EMPTY');
  });

  test('one empty tensor among full ones', async () => {
    const error = await refusal({ ...constantInputs(1), decoderCat: new Int32Array(0) });
    expect(error.code).toBe('ERR_TFT_INPUT_BATCH');
  });

  test('an array whose memory was transferred away', async () => {
    const inputs = constantInputs(1);
    structuredClone(inputs.encoderCont.buffer, { transfer: [inputs.encoderCont.buffer as ArrayBuffer] });
    const error = await refusal(inputs);
    expect(error.code).toBe('ERR_TFT_INPUT_LENGTH');
    expect(error.message).toContain('encoderCont: found a detached ArrayBuffer');
  });

  test('a resizable buffer counts with the length it has at the call', async () => {
    const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [18 * 4, { maxByteLength: 36 * 4 }]);
    const encoderCont = new Float32Array(buffer);
    const inputs = { ...constantInputs(1), encoderCont };
    expect((await engine.predict(inputs)).shape[0]).toBe(1);
    (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(20 * 4);
    expect((await refusal(inputs)).code).toBe('ERR_TFT_INPUT_LENGTH');
  });

  test('a subclass that lies about its length is not believed', async () => {
    class Liar extends Float32Array {
      override get length() {
        return 36;
      }
    }
    const error = await refusal({ ...constantInputs(2), encoderCont: new Liar(18) });
    expect(error.code).toBe('ERR_TFT_INPUT_BATCH');
  });
});

describe('bad values', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%s in a metric',
    async (value) => {
      // Series 6, so the value is in the second part of a batch that runs in parts of 4.
      const index = 6 * 18 + 2 * 3 + 1;
      const error = await refusal(set(7, 'encoderCont', index, value));
      expect(error.code).toBe('ERR_TFT_INPUT_VALUE');
      expect(error.message).toBe(
        `encoderCont[${index}] (series 6, step 2, 'net_in_mb_s') is ${value}; a finite number is expected`,
      );
      expect(error.details).toMatchObject({ tensor: 'encoderCont', index, server: 6, step: 2, found: value });
    },
  );

  test('NaN in the calendar', async () => {
    const error = await refusal(set(2, 'decoderCont', 8 + 5, Number.NaN));
    expect(error.message).toContain("decoderCont[13] (series 1, step 2, 'is_weekend') is NaN");
  });

  test('every value is checked, and the first bad one is named', async () => {
    // One, two and three series: lengths with 2, 0 and 2 values left over when read in groups of four.
    for (const batch of [1, 2, 3]) {
      for (let index = 0; index < batch * 18; index++) {
        const inputs = set(batch, 'encoderCont', index, Number.NaN);
        inputs.encoderCont[batch * 18 - 1] = Number.NEGATIVE_INFINITY;
        expect((await refusal(inputs)).details).toMatchObject({ index });
      }
    }
    for (let index = 0; index < 16; index++) {
      expect((await refusal(set(2, 'decoderCat', index, -1))).details).toMatchObject({ index });
    }
  });

  test.each([-1, 3, 4, 2 ** 31 - 1, -(2 ** 31)])('profile code %d', async (code) => {
    const error = await refusal(set(2, 'encoderCat', 12 + 4, code));
    expect(error.code).toBe('ERR_TFT_INPUT_CATEGORY');
    expect(error.message).toBe(
      `encoderCat[16] (series 1, step 2, category 'profile') is ${code}; a code from 0 to 2 is expected`,
    );
  });

  test('each category has its own vocabulary: status has one code more than profile', async () => {
    await engine.predict(set(1, 'decoderCat', 3, 3));
    const error = await refusal(set(1, 'decoderCat', 3, 4));
    expect(error.message).toContain("category 'status') is 4; a code from 0 to 3 is expected");
  });

  test('large finite values are not mistaken for infinite ones', async () => {
    const inputs = constantInputs(1);
    inputs.encoderCont.set([3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0]);
    expect((await engine.predict(inputs)).data.length).toBe(WIDTH);
  });

  test('a refused request does not affect the next one', async () => {
    const { inputs, expected } = samples();
    const busy = engine.predict(inputs);
    const bad = refusal(set(1, 'encoderCont', 3, Number.NaN));
    const good = variedInputs(2, 8);
    expect((await engine.predict(good)).data).toEqual(tinyAnswer(good));
    expect((await busy).data).toEqual(expected);
    await bad;
  });
});

describe('predictBatch', () => {
  test('one bad request among good ones refuses all, and the error names its index', async () => {
    const out = new Float32Array(9 * WIDTH);
    const bad = set(2, 'encoderCont', 20, Number.NaN);
    const result = engine.predictBatch([variedInputs(6, 1), bad, variedInputs(1, 2)], { out });
    await expect(result).rejects.toMatchObject({
      code: 'ERR_TFT_INPUT_VALUE',
      message: expect.stringMatching(/^request 1: encoderCont\[20\] \(series 1, step 0,/),
      details: { request: 1, index: 20 },
    });
    expect(out.every((value) => value === 0)).toBe(true);
  });

  test.each([
    ['a wrong type', { ...constantInputs(1), encoderCat: [] }, 'ERR_TFT_INPUT_TYPE'],
    ['an empty request', constantInputs(0), 'ERR_TFT_INPUT_EMPTY'],
    ['no request', undefined, 'ERR_TFT_INPUT_TYPE'],
  ])('%s is refused, and the error names its index', async (_what, bad, code) => {
    const list = [constantInputs(1), constantInputs(1), bad] as ForecastInputs[];
    await expect(engine.predictBatch(list)).rejects.toMatchObject({ code, details: { request: 2 } });
  });

  test('an empty list, and a value that is not a list', async () => {
    await expect(engine.predictBatch([])).rejects.toMatchObject({ code: 'ERR_TFT_INPUT_EMPTY' });
    for (const value of [undefined, null, 3, constantInputs(1), new Set()]) {
      await expect(engine.predictBatch(value as unknown as ForecastInputs[])).rejects.toMatchObject({
        code: 'ERR_TFT_INPUT_TYPE',
      });
    }
  });

  test('a hole in the list is a bad request like any other', async () => {
    const list = [constantInputs(1)];
    list.length = 3;
    await expect(engine.predictBatch(list)).rejects.toMatchObject({ details: { request: 1 } });
  });
});

describe('options of a prediction', () => {
  test.each([
    [new Float32Array(WIDTH * 2 - 1), /a Float32Array of 23, expected a Float32Array of exactly 24 values/],
    [new Float32Array(WIDTH * 2 + 1), /a Float32Array of 25/],
    [new Float64Array(WIDTH * 2), /found Float64Array/],
    [[], /found Array/],
    [null, /found null/],
  ])('out given as %o', async (out, message) => {
    const error = await refusal(constantInputs(2), { out });
    expect(error.code).toBe('ERR_TFT_OUTPUT_BUFFER');
    expect(error.message).toMatch(message);
  });

  test('out transferred away while the request waited', async () => {
    const out = new Float32Array(WIDTH);
    const result = engine.predict(constantInputs(1), { out });
    structuredClone(out.buffer, { transfer: [out.buffer] });
    await expect(result).rejects.toMatchObject({ code: 'ERR_TFT_OUTPUT_BUFFER' });
  });

  test.each([
    [{ deadline: 5 }, /'deadline' is unknown/],
    [{ deadlineMs: -1 }, /deadlineMs: found -1/],
    [{ deadlineMs: Number.NaN }, /deadlineMs: found NaN/],
    [{ deadlineMs: '5' }, /deadlineMs: found 5/],
    [{ signal: {} }, /signal: found Object, expected an AbortSignal/],
    [{ signal: 'x' }, /signal: found string/],
    [null, /found null, expected an object/],
    [7, /found number/],
  ])('%o', async (options, message) => {
    const error = await refusal(constantInputs(1), options);
    expect(error.code).toBe('ERR_TFT_OPTION');
    expect(error.message).toMatch(message);
  });
});

test('arrays of another realm are accepted', async () => {
  const { inputs, expected } = samples();
  const foreign = runInNewContext(
    `({ encoderCont: Float32Array.from(e), encoderCat: Int32Array.from(f),
        decoderCont: Float32Array.from(d), decoderCat: Int32Array.from(c), out: new Float32Array(n) })`,
    {
      e: inputs.encoderCont,
      f: inputs.encoderCat,
      d: inputs.decoderCont,
      c: inputs.decoderCat,
      n: 5 * WIDTH,
    },
  );
  expect(foreign.encoderCont).not.toBeInstanceOf(Float32Array);
  const { out, ...arrays } = foreign;
  const forecast = await engine.predict(arrays, { out });
  expect(forecast.data).toBe(out);
  expect([...out]).toEqual([...expected]);
});

describe('quantile()', () => {
  test.each([0.05, 0.95, Number.NaN, '0.5', undefined])(
    "refuses %o, naming the model's quantiles",
    async (q) => {
      const forecast = await engine.predict(constantInputs(1));
      expect(() => forecast.quantile(q as number)).toThrow(
        expect.objectContaining({
          code: 'ERR_TFT_OPTION',
          message: `quantile ${q}: this model predicts 0.1, 0.5, 0.9, and nothing below 0.1 or above 0.9`,
        }),
      );
    },
  );
});
