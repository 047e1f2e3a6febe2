// How requests and engines end, on every backend and on both servers: signals, deadlines, the limit of the queue, closing, and
// counters that add up. A test holds the runs, so that it knows which request runs and which waits.
import { getEventListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { EngineCounters, LoadOptions, TFTEngine } from '../../src/index.js';
import { variedInputs, WIDTH } from '../fixtures/bundles.js';
import { demoSamples, largestDifference, windows } from '../fixtures/demo-samples.js';
import { until } from '../service/running.js';
import { eachSubject, failureOf } from './each-subject.js';
import type { Subject } from './subjects.js';

const MAX_BATCH = 4;
const QUEUE_LIMIT = 10;
const SEED = 9;
const REQUESTS = 9;

eachSubject((subject, load) => {
  const { answer } = subject;
  const isHeld = subject.hold !== undefined;
  const limited = (options: LoadOptions = {}) =>
    load('tiny', { maxBatch: MAX_BATCH, queueLimit: QUEUE_LIMIT, ...options });

  test('a signal that has fired refuses the request, which is not counted', async () => {
    await using engine = await limited();
    const signal = AbortSignal.abort(new Error('no longer wanted'));
    for (const ask of [
      () => engine.predict(variedInputs(1, 1), { signal }),
      () => engine.predictBatch([variedInputs(1, 1), variedInputs(9, 2)], { signal, borrow: true }),
    ]) {
      expect(await failureOf(ask)).toMatchObject({
        name: 'AbortError',
        code: 'ERR_TFT_ABORTED',
        message: 'the request was aborted by its signal',
        cause: { message: 'no longer wanted' },
      });
    }
    expect(engine.counters()).toMatchObject({ accepted: 0, cancelled: 0 });
  });

  test.skipIf(!isHeld)('a signal ends requests that wait and that run, and no other', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const controller = new AbortController();
    const { signal } = controller;
    const out = () => new Float32Array(2 * WIDTH).fill(7);
    const outs = [out(), out(), out()] as const;
    const inputs = variedInputs(2, SEED);
    const running = failureOf(() => engine.predict(inputs, { signal, out: outs[0] }));
    await runs(engine, 0);
    const waiting = failureOf(() => engine.predict(inputs, { signal, out: outs[1] }));
    const lent = failureOf(() => engine.predict(inputs, { signal, out: outs[2], borrow: true }));
    const large = failureOf(() => engine.predictBatch([variedInputs(1, 1), variedInputs(3, 1)], { signal }));
    const other = engine.predict(inputs);
    expect(engine.counters()).toMatchObject({ accepted: 5, waitingServers: 10 });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort('enough');
    for (const ended of [running, waiting, lent, large])
      expect(await ended).toMatchObject({ name: 'AbortError', code: 'ERR_TFT_ABORTED', cause: 'enough' });
    expect(engine.counters().cancelled).toBe(4);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    held.release();
    expect((await other).data).toEqual(answer(inputs));
    for (const untouched of outs) expect(untouched).toEqual(new Float32Array(2 * WIDTH).fill(7));
    await engine.close();
    expect(settled(engine)).toEqual({ accepted: 5, succeeded: 1, cancelled: 4 });
  });

  test.skipIf(!isHeld)('a deadline ends a request that waits', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const inputs = variedInputs(2, SEED);
    const patient = { deadlineMs: 2 ** 40 };
    const running = engine.predict(inputs, patient);
    await runs(engine, 0);
    const late = failureOf(() => engine.predict(inputs, { deadlineMs: 1 }));
    const lateToo = failureOf(() => engine.predictBatch([inputs, inputs], { deadlineMs: 0, borrow: true }));
    const waiting = engine.predict(inputs, patient);
    expect(await late).toMatchObject({
      name: 'TFTError',
      code: 'ERR_TFT_DEADLINE',
      details: { deadlineMs: 1 },
    });
    expect(await lateToo).toMatchObject({ code: 'ERR_TFT_DEADLINE', details: { deadlineMs: 0 } });
    held.release();
    expect((await running).data).toEqual(answer(inputs));
    expect((await waiting).data).toEqual(answer(inputs));
    await engine.close();
    expect(settled(engine)).toEqual({ accepted: 4, succeeded: 2, expired: 2 });
  });

  test.skipIf(!isHeld)('a deadline that passes during the run', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const inputs = variedInputs(2, SEED);
    let running: Promise<unknown> = Promise.resolve();
    // On a busy machine it may pass before the run: then it is tried again with more time.
    for (let [deadlineMs, isRunning] = [100, false]; !isRunning; deadlineMs *= 3) {
      const asked = engine.predict(inputs, { deadlineMs });
      running = asked.then(
        ({ data }) => data,
        (error: unknown) => error,
      );
      isRunning = await Promise.race([runs(engine, 0).then(() => true), running.then(() => false)]);
      // As long as the other one, and so over a little later.
      if (isRunning) await failureOf(() => engine.predict(inputs, { deadlineMs }));
    }
    held.release();
    if (subject.deadlineEnds === 'waiting') expect(await running).toEqual(answer(inputs));
    else expect(await running).toMatchObject({ code: 'ERR_TFT_DEADLINE' });
    await engine.close();
    const { succeeded = 0 } = settled(engine);
    expect(succeeded).toBe(subject.deadlineEnds === 'waiting' ? 1 : 0);
  });

  test.skipIf(!isHeld)('beyond the limit of the queue requests are refused, and leave nothing', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const inputs = variedInputs(2, SEED);
    const running = engine.predict(inputs);
    await runs(engine, 0);
    const waiting = [engine.predict(variedInputs(3, 1)), engine.predict(variedInputs(6, 2))];
    expect(await failureOf(() => engine.predict(inputs))).toMatchObject({
      name: 'TFTError',
      code: 'ERR_TFT_QUEUE_FULL',
      message:
        '9 series are waiting and 2 more would exceed the limit of 10; try again later or raise queueLimit',
      details: { waiting: 9, servers: 2, limit: QUEUE_LIMIT },
    });
    const last = engine.predict(variedInputs(1, 3));
    expect(await failureOf(() => engine.predict(variedInputs(1, 4), { borrow: true }))).toMatchObject({
      code: 'ERR_TFT_QUEUE_FULL',
      details: { waiting: 10, servers: 1, limit: QUEUE_LIMIT },
    });
    held.release();
    expect((await running).data).toEqual(answer(inputs));
    for (const [index, forecast] of (await Promise.all([...waiting, last])).entries())
      expect(forecast.data).toEqual(answer(variedInputs([3, 6, 1][index] as number, index + 1)));
    // While nothing waits, one request of any size is accepted.
    const large = variedInputs(5 * QUEUE_LIMIT, 5);
    expect((await engine.predict(large)).data).toEqual(answer(large));
    await engine.close();
    expect(settled(engine)).toEqual({ accepted: 5, succeeded: 5, refused: 2 });
  });

  test.skipIf(!isHeld)('an `out` that is detached while the request waits', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const inputs = variedInputs(2, SEED);
    const running = engine.predict(inputs);
    await runs(engine, 0);
    const out = new Float32Array(2 * WIDTH);
    const waiting = failureOf(() => engine.predict(inputs, { out }));
    structuredClone(null, { transfer: [out.buffer] });
    held.release();
    expect(await waiting).toMatchObject({ code: 'ERR_TFT_OUTPUT_BUFFER' });
    expect((await running).data).toEqual(answer(inputs));
    await engine.close();
    expect(settled(engine)).toEqual({ accepted: 2, succeeded: 1, failed: 1 });
  });

  test.skipIf(!isHeld)('inputs that are lent, and detached while the request waits', async () => {
    await using engine = await limited();
    using held = holding(subject);
    const inputs = variedInputs(2, SEED);
    const right = answer(inputs);
    const running = engine.predict(inputs);
    await runs(engine, 0);
    const waiting = engine.predict(inputs, { borrow: true }).then(
      ({ data }) => data,
      (error: unknown) => error,
    );
    structuredClone(null, { transfer: [inputs.encoderCont.buffer as ArrayBuffer] });
    held.release();
    if (subject.lends) {
      const details = { tensor: 'encoderCont' };
      expect(await waiting).toMatchObject({ code: 'ERR_TFT_INPUT_LENGTH', details });
    } else expect(await waiting).toEqual(right);
    expect((await running).data).toEqual(right);
    await engine.close();
    expect(settled(engine)).toEqual({
      accepted: 2,
      ...(subject.lends ? { succeeded: 1, failed: 1 } : { succeeded: 2 }),
    });
  });

  const isWhole = isHeld && subject.tolerance !== undefined;
  test.skipIf(!isWhole)('requests that wait keep their inputs, whatever memory later ones use', async () => {
    const samples = await demoSamples();
    await using engine = await load('demo', { threads: REQUESTS });
    using held = holding(subject);
    const forecasts = [];
    for (let from = 0; from < REQUESTS; from++) {
      forecasts.push(engine.predict(windows(samples, from, from + 8), { borrow: true }));
      await pause(5); // a server has the request before the next one arrives
    }
    held.release();
    for (const [from, { data }] of (await Promise.all(forecasts)).entries())
      expect(largestDifference(samples, data, from)).toBeLessThanOrEqual(subject.tolerance as number);
  });

  test.skipIf(!isHeld)('close lets what runs and waits finish, and refuses the rest', async () => {
    const engine = await limited();
    using held = holding(subject);
    const order: string[] = [];
    const inputs = variedInputs(6, SEED);
    const accepted = [variedInputs(2, 1), inputs, variedInputs(1, 3)].map((one) => engine.predict(one));
    await runs(engine);
    const stop = new AbortController();
    const dropped = failureOf(() => engine.predict(variedInputs(1, 4), { signal: stop.signal }));
    for (const forecast of accepted) void forecast.then(() => order.push('forecast'));
    const closed = engine.close().then(() => order.push('closed'));
    expect(engine.close()).toBe(engine.close());
    const CLOSED = { name: 'TFTError', code: 'ERR_TFT_CLOSED', message: 'the engine is closed' };
    const refusals = async () => {
      for (const ask of [
        () => engine.predict(inputs),
        () => engine.predict(inputs, { borrow: true }),
        () => engine.predictBatch([inputs]),
        () => engine.warmup(),
        () => engine.warmup({ batches: [2] }),
      ])
        expect(await failureOf(ask)).toMatchObject(CLOSED);
      const sync = await failureOf(() => engine.predictSync(inputs));
      expect(sync.code).toBe(subject.isSync ? 'ERR_TFT_CLOSED' : 'ERR_TFT_UNSUPPORTED');
    };
    await refusals();
    stop.abort();
    expect(await dropped).toMatchObject({ code: 'ERR_TFT_ABORTED' });
    expect(order).toEqual([]);
    held.release();
    await closed;
    expect(order).toEqual(['forecast', 'forecast', 'forecast', 'closed']);
    expect((await (accepted[1] as (typeof accepted)[0])).data).toEqual(answer(inputs));
    await refusals();
    await engine.close();
    expect(settled(engine)).toEqual({ accepted: 4, succeeded: 3, cancelled: 1 });
  });

  test('await using closes', async () => {
    let outer: TFTEngine;
    let forecast: Promise<unknown>;
    {
      await using engine = await limited();
      outer = engine;
      forecast = engine.predict(variedInputs(9, 1));
    }
    await forecast;
    expect(await failureOf(() => outer.predict(variedInputs(1, 1)))).toMatchObject({
      code: 'ERR_TFT_CLOSED',
    });
    expect(settled(outer)).toEqual({ accepted: 1, succeeded: 1 });
  });

  test('requests that race with aborts, deadlines, the limit and the close all end, and the counters add up', async () => {
    for (let round = 0; round < 4; round++) {
      const engine = await limited({ threads: 1 + (round % 2), queueLimit: 40 });
      const outcomes: string[] = [];
      const asked = Array.from({ length: 80 }, async (_, seed) => {
        const inputs = variedInputs(1 + (seed % 6), 100 * round + seed);
        const controller = new AbortController();
        for (let turn = 0; turn < seed % 9; turn++) await new Promise(setImmediate);
        const ended = engine.predict(inputs, {
          borrow: seed % 3 === 0,
          ...(seed % 2 === 0 ? { signal: controller.signal } : {}),
          ...(seed % 5 === 0 ? { deadlineMs: seed % 4 } : {}),
        });
        // Afterwards: a signal that has fired before is not counted.
        if (seed % 8 === 0) controller.abort();
        if (seed % 8 === 2) queueMicrotask(() => controller.abort());
        if (seed % 8 === 4) setTimeout(() => controller.abort(), seed % 7);
        outcomes.push(
          await ended.then(
            ({ data }) => {
              expect(data).toEqual(answer(inputs));
              return 'succeeded';
            },
            ({ code }: { code: string }) => code,
          ),
        );
      });
      for (let turn = 0; turn < 10 * round; turn++) await new Promise(setImmediate);
      const closed = round % 2 === 0 ? Promise.all(asked).then(() => engine.close()) : engine.close();
      await Promise.all([...asked, closed]);
      const counted = Object.fromEntries(
        Object.entries({
          succeeded: 'succeeded',
          cancelled: 'ERR_TFT_ABORTED',
          expired: 'ERR_TFT_DEADLINE',
          refused: 'ERR_TFT_QUEUE_FULL',
        }).map(([name, outcome]) => [name, outcomes.filter((one) => one === outcome).length]),
      );
      expect(outcomes).toHaveLength(80);
      for (const outcome of new Set(outcomes))
        expect(outcome).toMatch(/^(succeeded|ERR_TFT_(ABORTED|DEADLINE|QUEUE_FULL|CLOSED))$/);
      expect(engine.counters()).toMatchObject(counted);
      settled(engine);
    }
  });
});

/** Holds the subject's runs until they are released, at the latest at the end of the test. */
function holding({ hold }: Subject): { release(): void; [Symbol.dispose](): void } {
  const release = hold?.() ?? (() => {});
  return { release, [Symbol.dispose]: release };
}

/** Waits until a request runs; and, if it is given, until no more than so many series wait. */
async function runs(engine: TFTEngine, waiting = Number.POSITIVE_INFINITY): Promise<void> {
  await until(() => {
    const { runningBatches, waitingServers } = engine.counters();
    return runningBatches > 0 && waitingServers <= waiting;
  });
}

/** The requests of a closed engine by how they ended, zeros left out. They add up. */
function settled(engine: TFTEngine): Partial<EngineCounters> {
  const { accepted, succeeded, failed, cancelled, expired, refused, ...now } = engine.counters();
  expect(now).toMatchObject({ waitingServers: 0, runningBatches: 0 });
  expect(succeeded + failed + cancelled + expired).toBe(accepted);
  expect(now.batchSizes.reduce((sum, batches) => sum + batches, 0)).toBe(now.batches);
  expect(now.batchSizes.reduce((sum, batches, size) => sum + batches * size, 0)).toBe(now.servers);
  const all = { accepted, succeeded, failed, cancelled, expired, refused };
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
}
