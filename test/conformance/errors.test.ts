// The same mistakes to every backend and to both servers: the same code, message and details, whether the inputs are copied,
// lent or run at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ForecastInputs, PredictOptions, TFTEngine } from '../../src/index.js';
import { constantInputs, variedInputs, WIDTH } from '../fixtures/bundles.js';
import { BAD_VALUES, errorOf, SERIES, withValue } from './bad-values.js';
import { eachSubject, failureOf } from './each-subject.js';

const MAX_BATCH = 4;

const FLOATS = 'Float32Array';
const INTEGERS = 'Int32Array';
/** An array in place of a tensor of one series, and what is found. */
const BAD_TYPES: [keyof ForecastInputs, unknown, string, string][] = [
  ['encoderCont', new Float64Array(18), 'Float64Array', FLOATS],
  ['encoderCont', new Array(18).fill(0), 'Array', FLOATS],
  ['encoderCont', undefined, 'undefined', FLOATS],
  ['encoderCont', Object.create(Float32Array.prototype), 'Object', FLOATS],
  ['encoderCat', new Float32Array(12), 'Float32Array', INTEGERS],
  ['encoderCat', null, 'null', INTEGERS],
  ['decoderCont', Buffer.alloc(32), 'Uint8Array', FLOATS],
  ['decoderCont', new ArrayBuffer(32), 'ArrayBuffer', FLOATS],
  ['decoderCat', new Uint32Array(8), 'Uint32Array', INTEGERS],
  ['decoderCat', new BigInt64Array(8), 'BigInt64Array', INTEGERS],
  ['decoderCat', 'text', 'string', INTEGERS],
  ['decoderCat', { length: 8 }, 'Object', INTEGERS],
];

const BAD_LENGTHS: [keyof ForecastInputs, Float32Array | Int32Array, string][] = [
  ['encoderCont', new Float32Array(17), 'a multiple of 18 (6 steps × 3 values for each series)'],
  ['encoderCat', new Int32Array(13), 'a multiple of 12 (6 steps × 2 values for each series)'],
  ['decoderCont', new Float32Array(4), 'a multiple of 8 (4 steps × 2 values for each series)'],
  ['decoderCat', new Int32Array(1), 'a multiple of 8 (4 steps × 2 values for each series)'],
];

function detached(): Float32Array {
  const array = new Float32Array(18);
  structuredClone(null, { transfer: [array.buffer] });
  return array;
}

eachSubject((subject, load) => {
  let engine: TFTEngine;
  beforeAll(async () => {
    engine = await load('tiny', { maxBatch: MAX_BATCH });
  });
  afterAll(() => engine?.close());

  /** Each way to ask, whose failure must be this. */
  async function fails(inputs: unknown, expected: object): Promise<void> {
    const bad = inputs as ForecastInputs;
    const { details } = expected as { details?: object };
    for (const borrow of [false, true]) {
      expect(await failureOf(() => engine.predict(bad, { borrow }))).toMatchObject(expected);
      const among = [variedInputs(2, 1), bad, variedInputs(1, 2)];
      const failure = await failureOf(() => engine.predictBatch(among, { borrow }));
      const inBatch = {
        ...expected,
        message: expect.stringMatching(/^request 1: /),
        details: { ...details, request: 1 },
      };
      expect(failure).toMatchObject(inBatch);
    }
    if (subject.isSync) expect(await failureOf(() => engine.predictSync(bad))).toMatchObject(expected);
  }

  describe('values', () => {
    test.each(BAD_VALUES)('%s[%i] = %d', async (...bad) => {
      await fails(withValue(...bad), errorOf(bad));
    });

    test('the first bad one is named, tensor by tensor', async () => {
      const inputs = variedInputs(SERIES, 3);
      inputs.decoderCat[0] = -1;
      inputs.encoderCat[9] = 4;
      inputs.encoderCat[7] = 4;
      await fails(inputs, { code: 'ERR_TFT_INPUT_CATEGORY', details: { tensor: 'encoderCat', index: 7 } });
      inputs.encoderCont[120] = Number.NaN;
      await fails(inputs, { code: 'ERR_TFT_INPUT_VALUE', details: { tensor: 'encoderCont', index: 120 } });
    });

    test('the largest and the smallest that a model takes are no mistakes', async () => {
      const inputs = constantInputs(1);
      inputs.encoderCont.set([3.4e38, -3.4e38, 1e-45, -0]);
      inputs.encoderCat.set([2, 3]);
      await engine.predict(inputs);
      await engine.predict(inputs, { borrow: true });
    });
  });

  describe('arrays', () => {
    test.each(BAD_TYPES)('%s given as %o', async (tensor, value, found, expected) => {
      await fails(
        { ...constantInputs(1), [tensor]: value },
        {
          code: 'ERR_TFT_INPUT_TYPE',
          message: `${tensor}: found ${found}, expected ${expected}`,
          details: { tensor, found, expected },
        },
      );
    });

    test.each(BAD_LENGTHS)('%s of a wrong length', async (tensor, value, expected) => {
      await fails(
        { ...constantInputs(1), [tensor]: value },
        {
          code: 'ERR_TFT_INPUT_LENGTH',
          message: `${tensor}: found length ${value.length}, expected ${expected}`,
          details: { tensor, found: `length ${value.length}`, expected },
        },
      );
    });

    test('different numbers of series, none, and memory that is gone', async () => {
      const { encoderCat } = constantInputs(3);
      const found = { encoderCont: 2, encoderCat: 3, decoderCont: 2, decoderCat: 2 };
      await fails({ ...constantInputs(2), encoderCat }, { code: 'ERR_TFT_INPUT_BATCH', details: { found } });
      await fails(constantInputs(0), { code: 'ERR_TFT_INPUT_EMPTY' });
      await fails(
        { ...constantInputs(1), encoderCont: detached() },
        { code: 'ERR_TFT_INPUT_LENGTH', details: { tensor: 'encoderCont' } },
      );
      for (const inputs of [undefined, null, 7, 'text', true])
        await fails(inputs, { code: 'ERR_TFT_INPUT_TYPE' });
    });

    test('no requests, and what is no list of them', async () => {
      expect(await failureOf(() => engine.predictBatch([]))).toMatchObject({ code: 'ERR_TFT_INPUT_EMPTY' });
      for (const none of [undefined, null, 3, constantInputs(1), new Set()])
        expect(await failureOf(() => engine.predictBatch(none as never))).toMatchObject({
          code: 'ERR_TFT_INPUT_TYPE',
        });
    });
  });

  describe('options', () => {
    const OPTIONS: [PredictOptions, string, object][] = [
      [{ out: new Float32Array(WIDTH - 1) }, 'ERR_TFT_OUTPUT_BUFFER', { expected: WIDTH }],
      [{ out: new Float64Array(WIDTH) as never }, 'ERR_TFT_OUTPUT_BUFFER', { found: 'Float64Array' }],
      [{ deadlineMs: -1 }, 'ERR_TFT_OPTION', {}],
      [{ deadlineMs: Number.NaN }, 'ERR_TFT_OPTION', {}],
      [{ signal: {} as never }, 'ERR_TFT_OPTION', {}],
      [{ borrow: 1 as never }, 'ERR_TFT_OPTION', {}],
      [{ bogus: true } as object, 'ERR_TFT_OPTION', {}],
      [null as never, 'ERR_TFT_OPTION', {}],
    ];
    test.each(OPTIONS)('%o', async (options, code, details) => {
      const inputs = constantInputs(1);
      expect(await failureOf(() => engine.predict(inputs, options))).toMatchObject({ code, details });
      if (subject.isSync)
        expect(await failureOf(() => engine.predictSync(inputs, options))).toMatchObject({ code, details });
    });

    test('of a warm-up', async () => {
      for (const batches of [[0], [1.5], [Number.NaN]])
        expect(await failureOf(() => engine.warmup({ batches }))).toMatchObject({ code: 'ERR_TFT_OPTION' });
    });
  });

  test('a mistake runs nothing, and the next request is forecast', async () => {
    const before = engine.counters();
    const bad = withValue(...(BAD_VALUES[0] as (typeof BAD_VALUES)[0]));
    const out = new Float32Array(SERIES * WIDTH).fill(7);
    await failureOf(() => engine.predict(bad, { out }));
    await failureOf(() => engine.predictBatch([variedInputs(1, 1), bad]));
    await failureOf(() => engine.predict(constantInputs(0)));
    expect(out).toEqual(new Float32Array(SERIES * WIDTH).fill(7));
    expect(engine.counters()).toMatchObject({
      ...Object.fromEntries(
        (['accepted', 'failed', 'refused', 'batches', 'servers'] as const).map((name) => [
          name,
          before[name],
        ]),
      ),
      waitingServers: 0,
    });
    // Inputs that are lent are checked when their turn comes: such a request was accepted, and fails.
    await failureOf(() => engine.predict(bad, { borrow: true }));
    const { accepted, failed } = engine.counters();
    const lent = subject.lends ? 1 : 0;
    expect({ accepted, failed }).toEqual({ accepted: before.accepted + lent, failed: before.failed + lent });
    const inputs = variedInputs(5, 5);
    expect((await engine.predict(inputs)).data).toEqual(subject.answer(inputs));
  });
});
