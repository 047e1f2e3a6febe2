// The same requests to every backend and to both servers: the same forecasts, wherever inputs and results are kept.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Forecast, type ForecastInputs, type TFTEngine } from '../../src/index.js';
import { constantInputs, variedInputs, WIDTH } from '../fixtures/bundles.js';
import { demoSamples, largestDifference, windows } from '../fixtures/demo-samples.js';
import { eachSubject } from './each-subject.js';

const MAX_BATCH = 8;
/** Series whose forecasts have more than 64 KiB. */
const LARGE = 1401;
/** One, some, many, more than fit into a run, and many more. */
const BATCHES = [1, 3, MAX_BATCH, 32, 37, LARGE];

eachSubject((subject, load) => {
  const { answer, tolerance } = subject;
  let engine: TFTEngine;
  beforeAll(async () => {
    engine = await load('tiny', { maxBatch: MAX_BATCH, threads: 2 });
  });
  afterAll(() => engine?.close());

  test.skipIf(tolerance === undefined)('the demo model forecasts as PyTorch did', async () => {
    const samples = await demoSamples();
    const { count, monthTurn } = samples;
    expect({ count, turns: monthTurn.size }).toEqual({ count: 32, turns: 0 });
    await using demo = await load('demo', { threads: 2, maxBatch: MAX_BATCH });
    const away: Record<string, number> = {};
    const judge = (how: string, { data, shape }: Forecast, from: number, to: number) => {
      expect(shape).toEqual([to - from, demo.model.horizon, demo.model.quantiles.length]);
      away[how] = Math.max(away[how] ?? 0, largestDifference(samples, data, from));
    };
    for (const batch of [1, 3, count]) {
      for (let from = 0; from + batch <= count; from += 4 * batch) {
        const to = from + batch;
        judge(`${batch} at a time`, await demo.predict(windows(samples, from, to)), from, to);
      }
    }
    const parts = [
      [0, 1],
      [1, 4],
      [4, count],
    ] as const;
    const together = await demo.predictBatch(parts.map(([from, to]) => windows(samples, from, to)));
    for (const [part, [from, to]] of parts.entries()) judge('together', together[part] as Forecast, from, to);
    expect(Object.keys(away)).toEqual(['1 at a time', '3 at a time', '32 at a time', 'together']);
    for (const share of Object.values(away))
      expect(share, JSON.stringify(away)).toBeLessThanOrEqual(tolerance as number);
  });

  test('info describes the engine', () => {
    expect(engine.info).toMatchObject({
      backend: subject.backend,
      maxBatch: MAX_BATCH,
      threads: 2,
      queueLimit: 4096,
    });
    expect(engine.info.device).not.toBe('');
    expect(engine.info.origin).not.toBe('');
    expect(engine.info.why).not.toBe('');
  });

  test.each(BATCHES)('%i series are forecast in order', async (batch) => {
    const inputs = variedInputs(batch, batch);
    const forecast = await engine.predict(inputs);
    expect(forecast).toBeInstanceOf(Forecast);
    expect(forecast.shape).toEqual([batch, 4, 3]);
    expect(forecast.quantiles).toEqual([0.1, 0.5, 0.9]);
    expect(forecast.data).toEqual(answer(inputs));
  });

  test('predictBatch gives each request its own forecast, in memory of its own', async () => {
    const requests = [1, 3, MAX_BATCH, 1, 12, 5].map((batch, seed) => variedInputs(batch, seed));
    const forecasts = await engine.predictBatch(requests);
    expect(forecasts.map(({ data }) => data)).toEqual(requests.map(answer));
    expect(forecasts.map(({ shape }) => shape[0])).toEqual([1, 3, MAX_BATCH, 1, 12, 5]);
    expect(new Set(forecasts.map(({ data }) => data.buffer)).size).toBe(requests.length);
  });

  test('many requests at once each get their own forecast', async () => {
    const requests = Array.from({ length: 60 }, (_, seed) => variedInputs(1 + (seed % 11), seed));
    const forecasts = await Promise.all(
      requests.map((inputs, seed) => engine.predict(inputs, { borrow: seed % 2 === 0 })),
    );
    expect(forecasts.map(({ data }) => data)).toEqual(requests.map(answer));
  });

  test('predictSync forecasts, or is refused where models run in another thread or on a server', () => {
    const inputs = variedInputs(11, 3);
    const out = new Float32Array(11 * WIDTH);
    if (subject.isSync) {
      expect(engine.predictSync(inputs, { out }).data).toBe(out);
      expect(out).toEqual(answer(inputs));
      expect(engine.predictSync(inputs).data).toEqual(answer(inputs));
    } else {
      expect(() => engine.predictSync(inputs)).toThrow(
        expect.objectContaining({ code: 'ERR_TFT_UNSUPPORTED' }),
      );
    }
  });

  test('sorted and clipped change the same numbers', async () => {
    const inputs = variedInputs(3, 8);
    const ours = answer(inputs);
    const { data } = await engine.predict(inputs, { sorted: true, clipped: true });
    const { minimum = -Infinity, maximum = Infinity } = engine.model.metrics[0] as {
      minimum?: number;
      maximum?: number;
    };
    const expected = Array.from({ length: ours.length / 3 }, (_, step) => [
      ...ours.subarray(3 * step, 3 * step + 3),
    ]).flatMap((quantiles) =>
      quantiles.sort((a, b) => a - b).map((value) => Math.min(Math.max(value, minimum), maximum)),
    );
    expect([...data]).toEqual(expected);
  });

  test('warmup, whole and by batch', async () => {
    const { accepted, servers } = engine.counters();
    await engine.warmup();
    const own = subject.countsWarmup ? { accepted: 2, servers: 1 + MAX_BATCH } : { accepted: 0, servers: 0 };
    expect(engine.counters()).toMatchObject({
      accepted: accepted + own.accepted,
      servers: servers + own.servers,
    });
    await engine.warmup({ batches: [3, 20] });
    const inputs = constantInputs(1, 2);
    expect((await engine.predict(inputs)).data).toEqual(answer(inputs));
  });

  // The caller's memory

  const memories: Record<string, (bytes: number) => ArrayBufferLike> = {
    'larger memory': (bytes) => new ArrayBuffer(bytes),
    'shared memory': (bytes) => new SharedArrayBuffer(bytes),
    'memory that may grow': (bytes) => Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: 2 * bytes }]),
  };
  const PAD = 8;
  const within = <T extends Float32Array | Int32Array>(
    array: T,
    memory: (bytes: number) => ArrayBufferLike,
  ): T => {
    const Kind = array.constructor as new (memory: ArrayBufferLike, offset: number, length: number) => T;
    const view = new Kind(memory(array.byteLength + 2 * PAD), PAD, array.length);
    view.set(array);
    return view;
  };
  const inMemory = (inputs: ForecastInputs, memory: (bytes: number) => ArrayBufferLike): ForecastInputs => ({
    encoderCont: within(inputs.encoderCont, memory),
    encoderCat: within(inputs.encoderCat, memory),
    decoderCont: within(inputs.decoderCont, memory),
    decoderCat: within(inputs.decoderCat, memory),
  });

  test.each(Object.entries(memories))(
    'inputs and `out` are views of %s, copied or lent',
    async (_, memory) => {
      for (const batch of [2, 21]) {
        for (const borrow of [false, true]) {
          const inputs = variedInputs(batch, batch);
          const out = within(new Float32Array(batch * WIDTH).fill(Number.NaN), memory);
          const forecast = await engine.predict(inMemory(inputs, memory), { out, borrow });
          expect(forecast.data).toBe(out);
          expect(out).toEqual(answer(inputs));
          const [before, after] = [
            new Uint8Array(out.buffer, 0, PAD),
            new Uint8Array(out.buffer, PAD + out.byteLength),
          ];
          expect([...before, ...after]).toEqual(new Array(2 * PAD).fill(0));
        }
      }
    },
  );

  test('large results go to `out` in shared memory, which an engine may write in place', async () => {
    const inputs = variedInputs(LARGE, 4);
    const out = new Float32Array(new SharedArrayBuffer(LARGE * WIDTH * 4));
    expect((await engine.predict(inputs, { out })).data).toBe(out);
    expect(out).toEqual(answer(inputs));
  });

  test('predictBatch writes to consecutive parts of `out`', async () => {
    const requests = [variedInputs(2, 1), variedInputs(12, 2), variedInputs(1, 3)];
    const out = new Float32Array(15 * WIDTH);
    const forecasts = await engine.predictBatch(requests, { out });
    expect(forecasts.map(({ data }) => data)).toEqual(requests.map(answer));
    expect(forecasts.map(({ data }) => [data.buffer === out.buffer, data.byteOffset])).toEqual([
      [true, 0],
      [true, 2 * WIDTH * 4],
      [true, 14 * WIDTH * 4],
    ]);
  });

  test('the arrays may be changed and transferred away as soon as predict has returned', async () => {
    const inputs = variedInputs(20, 1);
    const right = answer(inputs);
    const [first, second] = [engine.predict(inputs), engine.predict(inputs)];
    inputs.encoderCont.fill(Number.NaN);
    inputs.encoderCat.fill(-1);
    structuredClone(null, { transfer: [inputs.decoderCont.buffer as ArrayBuffer] });
    expect((await first).data).toEqual(right);
    expect((await second).data).toEqual(right);
  });

  test('results are the caller’s: later ones do not change them, and they may be transferred away', async () => {
    const inputs = variedInputs(3, 1);
    const { data } = await engine.predict(inputs);
    await engine.predict(variedInputs(3, 2));
    expect(structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })).toEqual(answer(inputs));
    expect(data).toHaveLength(0);
    expect((await engine.predict(inputs)).data).toEqual(answer(inputs));
  });
});
