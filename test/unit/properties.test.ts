// For any input the engine gives the right forecast or a TFTError, and nothing else. Naive code here decides which is
// right.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Forecast,
  type ForecastInputs,
  type LoadOptions,
  loadModel,
  type PredictOptions,
  TFTEngine,
  TFTError,
} from '../../src/index.js';
import { bundles, tinyAnswer, VOCABULARY, variedInputs, WIDTH } from '../fixtures/bundles.js';

let engine: TFTEngine;
beforeAll(async () => {
  engine = await TFTEngine.load(bundles.tiny, { maxBatch: 4 });
});
afterAll(() => engine.close());

const SIZES = { encoderCont: 18, encoderCat: 12, decoderCont: 8, decoderCat: 8 } as const;
const NAMES = ['encoderCont', 'encoderCat', 'decoderCont', 'decoderCat'] as const;
type Name = (typeof NAMES)[number];

/** A problem with an input: its code and place. */
interface Problem {
  code: string;
  tensor?: Name;
  index?: number;
}

/** A naive check of inputs. */
function problemOf(inputs: Record<Name, unknown>): Problem | undefined {
  const batches: number[] = [];
  for (const tensor of NAMES) {
    const array = inputs[tensor];
    const isRight = tensor.endsWith('Cont') ? array instanceof Float32Array : array instanceof Int32Array;
    if (!isRight) return { code: 'ERR_TFT_INPUT_TYPE', tensor };
    const { length } = array as Float32Array;
    if (length % SIZES[tensor] !== 0) return { code: 'ERR_TFT_INPUT_LENGTH', tensor };
    batches.push(length / SIZES[tensor]);
  }
  if (new Set(batches).size > 1) return { code: 'ERR_TFT_INPUT_BATCH' };
  if (batches[0] === 0) return { code: 'ERR_TFT_INPUT_EMPTY' };
  for (const tensor of NAMES) {
    const values = [...(inputs[tensor] as Float32Array)];
    const index = values.findIndex((value, at) =>
      tensor.endsWith('Cont')
        ? !Number.isFinite(value)
        : value < 0 || value >= (VOCABULARY[at % 2] as number),
    );
    if (index >= 0) {
      const code = tensor.endsWith('Cont') ? 'ERR_TFT_INPUT_VALUE' : 'ERR_TFT_INPUT_CATEGORY';
      return { code, tensor, index };
    }
  }
  return undefined;
}

async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error;
  }
}

function expectProblem(found: unknown, problem: Problem): void {
  expect(found).toBeInstanceOf(TFTError);
  const { code, details, message } = found as TFTError;
  expect({ code, tensor: details.tensor, index: details.index }).toEqual({
    code: problem.code,
    tensor: problem.tensor,
    index: problem.index,
  });
  if (problem.index !== undefined) expect(message).toContain(`${problem.tensor}[${problem.index}] `);
}

/** The length for a number of series, or sometimes one that differs a little. */
const length = (size: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(2 * size) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }).map((batch) => batch * size) },
    { weight: 1, arbitrary: fc.nat({ max: 60 }) },
  );

const badFloats = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, -0, 1e-45];
const badCodes = [-1, 3, 4, 5, 2 ** 31 - 1, -(2 ** 31)];

const arrays = (name: Name): fc.Arbitrary<unknown> => {
  const isFloat = name.endsWith('Cont');
  const made = fc
    .record({
      length: length(SIZES[name]),
      spoilt: fc.array(fc.tuple(fc.nat(200), fc.constantFrom(...(isFloat ? badFloats : badCodes))), {
        maxLength: 2,
      }),
      spoil: fc.integer({ min: 0, max: 3 }),
    })
    .map(({ length, spoilt, spoil }) => {
      const array = isFloat ? new Float32Array(length) : new Int32Array(length);
      for (let i = 0; i < length; i++) array[i] = isFloat ? i / 4 : i % 3;
      if (spoil === 0 && length > 0) for (const [at, value] of spoilt) array[at % length] = value;
      return array as unknown;
    });
  const strange = fc.oneof(
    fc.anything(),
    fc.float64Array({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.float32Array({ maxLength: 40 }),
    fc.int32Array({ maxLength: 40 }),
  );
  return fc.oneof({ weight: 30, arbitrary: made }, { weight: 1, arbitrary: strange });
};

const requests = fc.record({
  encoderCont: arrays('encoderCont'),
  encoderCat: arrays('encoderCat'),
  decoderCont: arrays('decoderCont'),
  decoderCat: arrays('decoderCat'),
});

test('random shapes, types and values: the first problem is found, or the forecast is right', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (inputs) => {
      const problem = problemOf(inputs);
      const found = await outcome(() => engine.predict(inputs as unknown as ForecastInputs));
      if (problem) return expectProblem(found, problem);
      expect(found).toBeInstanceOf(Forecast);
      const { data, shape } = found as Forecast;
      const servers = (inputs.encoderCont as Float32Array).length / SIZES.encoderCont;
      expect(shape).toEqual([servers, 4, 3]);
      expect(data).toHaveLength(servers * WIDTH);
      const largest = (inputs.encoderCont as Float32Array).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      if (largest < 1e6) {
        const right = tinyAnswer(inputs as unknown as ForecastInputs);
        data.forEach((value, index) => {
          expect(value).toBeCloseTo(right[index] as number, 2);
        });
      }
    }),
    { numRuns: 1500 },
  );
});

test('values of any kind in place of inputs and options', async () => {
  const strange = fc.oneof(fc.anything(), fc.anything({ withTypedArray: true, withNullPrototype: true }));
  await fc.assert(
    fc.asyncProperty(strange, strange, fc.boolean(), async (inputs, options, isGood) => {
      const given = (isGood ? variedInputs(2, 1) : inputs) as ForecastInputs;
      for (const run of [
        () => engine.predict(given, options as PredictOptions),
        () => engine.predictBatch(given as unknown as ForecastInputs[], options as PredictOptions),
        () => engine.predictBatch([given], options as PredictOptions),
      ]) {
        const found = await outcome(run);
        const answers = Array.isArray(found) ? found : [found];
        for (const answer of answers) {
          expect(answer instanceof Forecast || answer instanceof TFTError).toBe(true);
        }
      }
    }),
    { numRuns: 400 },
  );
});

test('separate requests: a bad one refuses all and is named by its index, else each gets its own forecast', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(999)), { minLength: 1, maxLength: 8 }),
      fc.option(fc.tuple(fc.nat(), fc.constantFrom(...NAMES), fc.nat(), fc.boolean())),
      fc.boolean(),
      async (sizes, spoiler, withOut) => {
        const list = sizes.map(([batch, seed]) => variedInputs(batch, seed));
        const servers = sizes.reduce((sum, [batch]) => sum + batch, 0);
        const out = new Float32Array(servers * WIDTH);
        let place: number | undefined;
        if (spoiler) {
          const [which, tensor, at] = spoiler;
          place = which % list.length;
          const array = (list[place] as ForecastInputs)[tensor];
          array[at % array.length] = tensor.endsWith('Cont') ? Number.NaN : -7;
        }
        const found = await outcome(() => engine.predictBatch(list, withOut ? { out } : {}));
        if (place !== undefined) {
          expect(found).toBeInstanceOf(TFTError);
          expect((found as TFTError).details.request).toBe(place);
          expect(out.every((value) => value === 0)).toBe(true);
        } else {
          expect((found as Forecast[]).map((forecast) => forecast.data)).toEqual(list.map(tinyAnswer));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('requests of any size sent together, some aborted: every result goes to its caller', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 11 }), fc.nat(999), fc.integer({ min: 0, max: 9 })), {
        minLength: 1,
        maxLength: 25,
      }),
      async (asked) => {
        const results = asked.map(async ([batch, seed, abortAfter]) => {
          const inputs = variedInputs(batch, seed);
          const controller = new AbortController();
          const result = outcome(() => engine.predict(inputs, { signal: controller.signal }));
          if (abortAfter < 2) {
            for (let turn = 0; turn < abortAfter; turn++) await new Promise(setImmediate);
            controller.abort();
          }
          const found = await result;
          if (found instanceof Forecast) expect(found.data).toEqual(tinyAnswer(inputs));
          else expect(found).toMatchObject({ code: 'ERR_TFT_ABORTED' });
          if (abortAfter >= 2) expect(found).toBeInstanceOf(Forecast);
        });
        await Promise.all(results);
      },
    ),
    { numRuns: 60 },
  );
});

test('load options of any kind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (options) => {
      // No model is loaded: the path does not exist, which is checked after the options.
      const found = await outcome(() => TFTEngine.load('/nowhere', options as LoadOptions));
      expect(found).toBeInstanceOf(TFTError);
      expect((found as TFTError).code).toMatch(/^ERR_TFT_(OPTION|MODEL_NOT_FOUND)$/);
    }),
    { numRuns: 300 },
  );
});

test('a model.json with any value anywhere is read or refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-properties-'));
  const text = readFileSync(join(bundles.tiny, 'model.json'), 'utf8');
  writeFileSync(join(folder, 'model.onnx'), readFileSync(join(bundles.tiny, 'model.onnx')));
  try {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.jsonValue(), fc.nat(4), async (where, value, deep) => {
        const model = JSON.parse(text) as Record<string, unknown>;
        let place = model;
        let key = '';
        for (let depth = 0; depth <= deep; depth++) {
          const keys = Object.keys(place);
          key = keys[(where + depth) % keys.length] as string;
          const next = place[key];
          if (depth === deep || typeof next !== 'object' || next === null) break;
          if (Object.keys(next).length === 0) break;
          place = next as Record<string, unknown>;
        }
        place[key] = value;
        writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
        const found = await outcome(() => loadModel(folder));
        if (!(found instanceof TFTError)) expect(found).toHaveProperty('onnxPath');
      }),
      { numRuns: 400 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
