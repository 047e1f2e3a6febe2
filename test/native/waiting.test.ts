// Waiting requests over the doubles: abort, deadline, queue limit and close; each request ends once, and in time.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Forecast, type LoadOptions, TFTEngine } from '../../src/index.js';
import { variedInputs, WIDTH } from '../fixtures/bundles.js';
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

  /** Keeps the only lane busy, so that the next request waits. */
  function busy(): Promise<Forecast[]> {
    return Promise.all(Array.from({ length: 4 }, () => engine.predict(variedInputs(8, 1))));
  }

  test('an aborted request rejects at once, and its array stays as it was', async () => {
    const running = busy();
    const abort = new AbortController();
    const out = new Float32Array(WIDTH).fill(7);
    const waiting = engine.predict(variedInputs(1, 2), { signal: abort.signal, out });
    abort.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ERR_TFT_ABORTED',
      cause: { message: 'no longer wanted' },
    });
    await running;
    await engine.predict(variedInputs(1, 3));
    expect(out).toEqual(new Float32Array(WIDTH).fill(7));
  });

  test('one signal for many requests, running and waiting', async () => {
    const abort = new AbortController();
    const requests = Array.from({ length: 30 }, (_, seed) =>
      engine.predict(variedInputs(1, seed), { signal: abort.signal }),
    );
    const outcomes = Promise.allSettled(requests);
    abort.abort();
    for (const { status } of await outcomes) expect(status).toBe('rejected');
    const inputs = variedInputs(3, 1);
    expect((await engine.predict(inputs)).data).toEqual(doubleAnswer(inputs));
  });

  test('a request that has not begun within its deadline rejects', async () => {
    const running = busy();
    await expect(engine.predict(variedInputs(1, 2), { deadlineMs: 5 })).rejects.toMatchObject({
      code: 'ERR_TFT_DEADLINE',
    });
    await running;
    const inputs = variedInputs(1, 3);
    const soon = await engine.predict(inputs, { deadlineMs: 60_000 });
    expect(soon.data).toEqual(doubleAnswer(inputs));
  });

  test('beyond the queue limit a request is refused', async () => {
    const requests = Array.from({ length: 12 }, (_, seed) => engine.predict(variedInputs(8, seed)));
    const outcomes = await Promise.allSettled(requests);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(12);
    for (const outcome of refused) {
      expect(outcome).toMatchObject({ reason: { code: 'ERR_TFT_QUEUE_FULL' } });
    }
    // Refused requests leave nothing in the queue.
    expect((await engine.predict(variedInputs(40, 1))).shape[0]).toBe(40);
  });

  test('close lets accepted requests finish and refuses later ones', async () => {
    const order: string[] = [];
    const inputs = variedInputs(20, 4);
    const accepted = engine.predict(inputs).then((forecast) => {
      order.push('forecast');
      return forecast;
    });
    const closed = engine.close().then(() => order.push('closed'));
    expect(engine.close()).toBe(engine.close());
    await expect(engine.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_CLOSED' });
    expect((await accepted).data).toEqual(doubleAnswer(inputs));
    await closed;
    expect(order).toEqual(['forecast', 'closed']);
    await expect(engine.predict(inputs)).rejects.toMatchObject({ code: 'ERR_TFT_CLOSED' });
    expect(() => engine.predictSync(inputs)).toThrowError(
      expect.objectContaining({ code: 'ERR_TFT_CLOSED' }),
    );
    await expect(engine.warmup()).rejects.toMatchObject({ code: 'ERR_TFT_CLOSED' });
  });

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
