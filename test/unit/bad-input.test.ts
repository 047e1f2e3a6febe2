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

describe('wrong lengths', () => {
  test('one empty tensor among full ones', async () => {
    const error = await refusal({ ...constantInputs(1), decoderCat: new Int32Array(0) });
    expect(error.code).toBe('ERR_TFT_INPUT_BATCH');
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

  test('each category has its own vocabulary: status has one code more than profile', async () => {
    await engine.predict(set(1, 'decoderCat', 3, 3));
    const error = await refusal(set(1, 'decoderCat', 3, 4));
    expect(error.message).toContain("category 'status') is 4; a code from 0 to 3 is expected");
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
  test.each([
    ['a wrong type', { ...constantInputs(1), encoderCat: [] }, 'ERR_TFT_INPUT_TYPE'],
    ['an empty request', constantInputs(0), 'ERR_TFT_INPUT_EMPTY'],
    ['no request', undefined, 'ERR_TFT_INPUT_TYPE'],
  ])('%s is refused, and the error names its index', async (_what, bad, code) => {
    const list = [constantInputs(1), constantInputs(1), bad] as ForecastInputs[];
    await expect(engine.predictBatch(list)).rejects.toMatchObject({ code, details: { request: 2 } });
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
