// Waiting requests over the doubles: their order, and races that each request leaves once. test/conformance has the rest.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadOptions, TFTEngine } from '../../src/index.js';
import { variedInputs } from '../fixtures/bundles.js';
import { bundleWithPlan, doubleAnswer, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

// Each run takes long enough for other requests to wait.
process.env.TFT_DOUBLE_RUN_US = '20000';

describe.skipIf(whatIsMissing())('what waits', () => {
  const bundle = bundleWithPlan();
  let engine: TFTEngine;
  const load = (options: LoadOptions = {}) =>
    TFTEngine.load(bundle.plan, { ...options, tensorrt: onDoubles(10, { lanes: 1, ...options.tensorrt }) });
  beforeEach(async () => {
    engine = await load({ queueLimit: 40 });
  });
  afterEach(() => engine.close());

  test('a small request does not wait for all parts of a large one', async () => {
    const order: string[] = [];
    const large = engine.predict(variedInputs(38, 1)).then(() => order.push('large'));
    const small = engine.predict(variedInputs(1, 2)).then(() => order.push('small'));
    await Promise.all([large, small]);
    expect(order).toEqual(['small', 'large']);
  });

  test('abort, deadline and result race without harm', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, seed) => {
        const inputs = variedInputs(1 + (seed % 3), seed);
        const abort = new AbortController();
        if (seed % 3 === 0) setTimeout(() => abort.abort(), seed % 70);
        if (seed % 7 === 0) await new Promise((resolve) => setTimeout(resolve, seed));
        try {
          const options = { signal: abort.signal, ...(seed % 5 === 0 ? { deadlineMs: seed % 40 } : {}) };
          expect((await engine.predict(inputs, options)).data).toEqual(doubleAnswer(inputs));
          return 'forecast';
        } catch (error) {
          return (error as { code: string }).code;
        }
      }),
    );
    for (const outcome of outcomes) {
      expect(outcome).toMatch(/^(forecast|ERR_TFT_(ABORTED|DEADLINE|QUEUE_FULL))$/);
    }
    expect(outcomes).toContain('forecast');
  });

  test('an engine without references finishes its accepted requests', async () => {
    const inputs = variedInputs(30, 6);
    const forgotten = load().then((other) => other.predict(inputs));
    expect((await forgotten).data).toEqual(doubleAnswer(inputs));
  });
});
