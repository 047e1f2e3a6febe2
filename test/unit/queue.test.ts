// Batching while busy, order, fairness, and every way to cancel a request, in the queue in TypeScript, which worker threads
// have; the addon's is the C++ core's.
//
// All requests after the first in one turn of the event loop find the backend busy, since the first one's result cannot
// arrive before the turn ends. The bundle 'witness' predicts, for each series, the size of its batch, its index in the
// batch, and its first value.
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Forecast, type PredictOptions, TFTEngine, TFTError } from '../../src/index.js';
import { bundles, constantInputs, tinyAnswer, variedInputs, WIDTH } from '../fixtures/bundles.js';
import { IN_WORKERS } from '../fixtures/native-onnxruntime.js';

let engine: TFTEngine;
beforeEach(async () => {
  engine = await TFTEngine.load(bundles.witness, { ...IN_WORKERS, maxBatch: 4, queueLimit: 100, threads: 1 });
});
afterEach(() => engine.close());

/** Forecasts `batch` series whose first value is `value`. */
function ask(value: number, batch = 1, options?: PredictOptions): Promise<Forecast> {
  return engine.predict(constantInputs(batch, value), options);
}

/** [batch, index, value] of each series of a forecast. */
function seen(forecast: Forecast): number[][] {
  return Array.from({ length: forecast.shape[0] }, (_, server) => [
    ...forecast.data.subarray(server * WIDTH, server * WIDTH + 3),
  ]);
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: TFTError) => error.code,
  );

describe('batching', () => {
  test('the first request runs alone at once; later ones share the next batches in order of arrival', async () => {
    const forecasts = await Promise.all([ask(1), ask(2), ask(3, 2), ask(4), ask(5)]);
    expect(forecasts.map(seen)).toEqual([
      [[1, 0, 1]],
      [[4, 0, 2]],
      [
        [4, 1, 3],
        [4, 2, 3],
      ],
      [[4, 3, 4]],
      [[1, 0, 5]],
    ]);
  });

  test('a request is never split if it fits into one batch', async () => {
    const forecasts = await Promise.all([ask(1), ask(2, 3), ask(3, 3), ask(4)]);
    expect(forecasts.map((forecast) => seen(forecast)[0])).toEqual([
      [1, 0, 1],
      [3, 0, 2],
      [4, 0, 3],
      [4, 3, 4],
    ]);
  });

  test('results arrive in the order of the requests', async () => {
    const order: number[] = [];
    const all = Array.from({ length: 18 }, (_, index) => ask(index).then(() => order.push(index)));
    await Promise.all(all);
    expect(order).toEqual(Array.from({ length: 18 }, (_, index) => index));
  });

  test('a small request waits for one part of a large one, never for all', async () => {
    const order: string[] = [];
    const note = (name: string, promise: Promise<unknown>) => promise.then(() => order.push(name));
    await Promise.all([
      note('first', ask(0)),
      note('large', ask(1, 12)),
      note('larger', ask(2, 4 * 25)).catch(() => order.push('refused')),
      note('small', ask(3)),
    ]);
    expect(order).toEqual(['refused', 'first', 'small', 'large']);
  });

  test('large requests take turns with each other and with a stream of small ones', async () => {
    const order: string[] = [];
    const note = (name: string, promise: Promise<unknown>) => promise.then(() => order.push(name));
    const large = note('large', ask(1, 40));
    let streaming = true;
    const stream = (async () => {
      while (streaming) await note('small', ask(2));
    })();
    await large;
    streaming = false;
    await stream;
    const before = order.indexOf('large');
    // Ten parts, and after each but the last a small request.
    expect(before).toBeGreaterThanOrEqual(8);
    expect(before).toBeLessThanOrEqual(10);
  });
});

describe('on two lanes', () => {
  let two: TFTEngine;
  beforeEach(async () => {
    two = await TFTEngine.load(bundles.witness, { ...IN_WORKERS, maxBatch: 4, threads: 2 });
  });
  afterEach(() => two.close());
  const batches = async (forecast: Promise<Forecast>) => seen(await forecast).map(([batch]) => batch);
  const places = async (forecast: Promise<Forecast>) => seen(await forecast).map(([, place]) => place);

  test('two requests run side by side, the third waits', async () => {
    const all = [1, 2, 3].map((value) => two.predict(constantInputs(1, value)));
    expect(two.counters()).toMatchObject({ runningBatches: 2, waitingServers: 1 });
    await Promise.all(all);
    expect(two.counters()).toMatchObject({ runningBatches: 0, waitingServers: 0, batches: 3 });
  });

  test('a request is spread evenly over the lanes if both are idle', async () => {
    expect(await batches(two.predict(constantInputs(4)))).toEqual([2, 2, 2, 2]);
    expect(await places(two.predict(constantInputs(3)))).toEqual([0, 0, 1]);
    // Two rounds, since one of two times four is not enough.
    const large = two.predict(variedInputs(10, 1));
    expect(two.counters()).toMatchObject({ runningBatches: 2, waitingServers: 5 });
    expect(await batches(large)).toEqual([2, 2, 3, 3, 3, 2, 2, 3, 3, 3]);
  });

  test('a request is not spread if only one lane is idle or others wait', async () => {
    const first = two.predict(constantInputs(1));
    const whole = two.predict(constantInputs(4));
    const waiting = [two.predict(constantInputs(1)), two.predict(constantInputs(3))];
    expect(await batches(first)).toEqual([1]);
    expect(await batches(whole)).toEqual([4, 4, 4, 4]);
    for (const one of waiting) expect((await batches(one)).every((batch) => batch === 4)).toBe(true);
  });

  test('each series gets its own forecast, whichever lane it ran on', async () => {
    const tiny = await TFTEngine.load(bundles.tiny, { ...IN_WORKERS, maxBatch: 4, threads: 3 });
    const inputs = Array.from({ length: 60 }, (_, seed) => variedInputs(1 + (seed % 11), seed));
    const forecasts = await Promise.all(inputs.map((one) => tiny.predict(one)));
    expect(forecasts.map(({ data }) => data)).toEqual(inputs.map(tinyAnswer));
    await tiny.close();
  });

  test('a small request waits for one part of a large one, never for all', async () => {
    const order: string[] = [];
    const note = (name: string, promise: Promise<unknown>) => promise.then(() => order.push(name));
    await Promise.all([
      note('large', two.predict(constantInputs(80))),
      note('small', two.predict(constantInputs(1))),
    ]);
    expect(order).toEqual(['small', 'large']);
  });

  test('a cancelled request frees both lanes for others', async () => {
    const controller = new AbortController();
    const large = two.predict(constantInputs(80), { signal: controller.signal });
    const behind = two.predict(constantInputs(2, 5));
    controller.abort();
    expect(await code(large)).toBe('ERR_TFT_ABORTED');
    expect(seen(await behind).map(([, , value]) => value)).toEqual([5, 5]);
    expect(two.counters()).toMatchObject({ waitingServers: 0, cancelled: 1 });
  });

  test('close finishes what runs and waits on both', async () => {
    const all = Array.from({ length: 9 }, (_, i) => two.predict(constantInputs(1 + (i % 3), i)));
    await two.close();
    expect((await Promise.all(all)).map(({ data }) => data[2])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('an AbortSignal', () => {
  test('already fired refuses before anything runs', async () => {
    const reason = new Error('too late');
    const error = await ask(1, 1, { signal: AbortSignal.abort(reason) }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TFTError);
    expect(error).toMatchObject({ code: 'ERR_TFT_ABORTED', name: 'AbortError', cause: reason });
  });

  test('removes a waiting request; those behind it move up', async () => {
    const controller = new AbortController();
    const running = ask(1);
    const behind = [ask(2), ask(3, 2, { signal: controller.signal }), ask(4)];
    controller.abort('enough');
    await expect(behind[1]).rejects.toMatchObject({ code: 'ERR_TFT_ABORTED', cause: 'enough' });
    expect(seen(await running)).toEqual([[1, 0, 1]]);
    expect(seen((await behind[0]) as Forecast)).toEqual([[2, 0, 2]]);
    expect(seen((await behind[2]) as Forecast)).toEqual([[2, 1, 4]]);
  });

  test("frees the request's place in the queue", async () => {
    const controller = new AbortController();
    const running = ask(0);
    const waiting = Array.from({ length: 100 }, (_, i) => ask(i, 1, { signal: controller.signal }));
    expect(await code(ask(99))).toBe('ERR_TFT_QUEUE_FULL');
    const gone = waiting.map(code);
    controller.abort();
    expect(new Set(await Promise.all(gone))).toEqual(new Set(['ERR_TFT_ABORTED']));
    const again = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)));
    expect(again.map((forecast) => forecast.data[2])).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await running;
  });

  test('ends a running request at once, and its out is not written', async () => {
    const controller = new AbortController();
    const out = new Float32Array(WIDTH);
    const running = ask(1, 1, { signal: controller.signal, out });
    controller.abort();
    expect(await code(running)).toBe('ERR_TFT_ABORTED');
    expect(seen(await ask(2))).toEqual([[1, 0, 2]]);
    expect(out).toEqual(new Float32Array(WIDTH));
  });

  test('stops the parts of a large request that have not begun', async () => {
    const controller = new AbortController();
    const large = ask(1, 100, { signal: controller.signal });
    const small = ask(2);
    controller.abort();
    expect(await code(large)).toBe('ERR_TFT_ABORTED');
    expect(seen(await small)).toEqual([[1, 0, 2]]);
  });

  test('from a polyfill or another realm works by its shape', async () => {
    let fire = () => {};
    const signal = {
      aborted: false,
      reason: 'shaped',
      addEventListener: (_type: string, listener: () => void) => {
        fire = listener;
      },
      removeEventListener: () => {},
    };
    const waiting = ask(1, 1, { signal: signal as unknown as AbortSignal });
    fire();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_TFT_ABORTED', cause: 'shaped' });
  });

  test('that lives long has one listener while requests wait, and none afterwards', async () => {
    const { signal } = new AbortController();
    const waiting = [ask(1, 1, { signal }), ...Array.from({ length: 40 }, (_, i) => ask(i, 1, { signal }))];
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await Promise.all(waiting);
    await code(engine.predict(constantInputs(0), { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('cancels all requests that share it, and no other', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const results = [ask(1), ask(2, 1, { signal }), ask(3), ask(4, 9, { signal }), ask(5)].map(code);
    controller.abort();
    const fulfilled = 'fulfilled';
    const gone = 'ERR_TFT_ABORTED';
    expect(await Promise.all(results)).toEqual([fulfilled, gone, fulfilled, gone, fulfilled]);
  });
});

describe('deadlineMs', () => {
  test('holds even if a blocked event loop keeps the timer from firing', async () => {
    const running = ask(1);
    const late = code(ask(2, 1, { deadlineMs: 5 }));
    const end = performance.now() + 20;
    while (performance.now() < end);
    expect(await late).toBe('ERR_TFT_DEADLINE');
    await running;
  });
});

describe('many callers at once', () => {
  test('each gets the forecast for its own inputs, whatever other requests are aborted and refused', async () => {
    const tiny = await TFTEngine.load(bundles.tiny, { ...IN_WORKERS, maxBatch: 5, queueLimit: 60 });
    const outcomes: Record<string, number> = {};
    const caller = async (seed: number) => {
      for (let round = 0; round < 25; round++) {
        const inputs = variedInputs(1 + ((seed * 7 + round * 3) % 13), seed * 1000 + round);
        const controller = new AbortController();
        const options: PredictOptions = { signal: controller.signal };
        if (round % 3 === 1) options.out = new Float32Array(tinyAnswer(inputs).length);
        if (round % 7 === 5) options.deadlineMs = 1;
        const result = tiny.predict(inputs, options);
        // Immediately, in a microtask, or after some turns of the event loop.
        if (seed % 5 === 0 && round % 4 === 0) controller.abort();
        if (seed % 5 === 1 && round % 4 === 1) queueMicrotask(() => controller.abort());
        if (seed % 5 === 2 && round % 4 === 2) setImmediate(() => controller.abort());
        const outcome = await result.then(
          ({ data }) => {
            expect(data).toEqual(tinyAnswer(inputs));
            return 'right';
          },
          (error: TFTError) => error.code,
        );
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 30 }, (_, seed) => caller(seed)));
    expect(Object.keys(outcomes)).toContain('right');
    const known = ['right', 'ERR_TFT_ABORTED', 'ERR_TFT_DEADLINE', 'ERR_TFT_QUEUE_FULL'];
    expect(Object.keys(outcomes).filter((outcome) => !known.includes(outcome))).toEqual([]);
    await tiny.close();
  });

  test('after close at any moment every request has succeeded or was refused', async () => {
    for (let round = 0; round < 12; round++) {
      const tiny = await TFTEngine.load(bundles.tiny, { ...IN_WORKERS, maxBatch: 3 });
      const inputs = variedInputs(1 + (round % 5), round);
      const results: Promise<string>[] = [];
      const send = () =>
        results.push(
          tiny.predict(inputs).then(
            ({ data }) => `${data.every((value, index) => value === tinyAnswer(inputs)[index])}`,
            (error: TFTError) => error.code,
          ),
        );
      for (let i = 0; i < 8; i++) send();
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
      const closed = tiny.close();
      for (let i = 0; i < 3; i++) send();
      expect(await Promise.all(results)).toEqual([
        ...Array(8).fill('true'),
        ...Array(3).fill('ERR_TFT_CLOSED'),
      ]);
      await closed;
    }
  });
});
