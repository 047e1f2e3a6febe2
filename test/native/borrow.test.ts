// Borrowed inputs over the doubles: right results without a copy on the caller's thread, even if callers detach the
// memory before a request has ended.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Forecast, type ForecastInputs, type LoadOptions, TFTEngine } from '../../src/index.js';
import { inMemory, variedInputs, WIDTH } from '../fixtures/bundles.js';
import { bundleWithPlan, doubleAnswer, doublePlan, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

// Each run takes long enough for other requests to wait.
process.env.TFT_DOUBLE_RUN_US = '5000';

const THREAD = fileURLToPath(new URL('../fixtures/native-thread.mjs', import.meta.url));
const BORROW = { borrow: true } as const;

declare const WebAssembly: {
  Memory: new (size: object) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
};
type Resizable = ArrayBuffer & { resize(bytes: number): void };
const resizable = (bytes: number, most: number) =>
  new (ArrayBuffer as unknown as new (n: number, o: object) => Resizable)(bytes, { maxByteLength: most });

const memories: [string, (bytes: number) => ArrayBufferLike][] = [
  ['ArrayBuffer', (bytes) => new ArrayBuffer(bytes)],
  ['SharedArrayBuffer', (bytes) => new SharedArrayBuffer(bytes)],
  ['resizable ArrayBuffer', (bytes) => resizable(bytes, 2 * bytes)],
  ['WebAssembly.Memory', (bytes) => new WebAssembly.Memory({ initial: Math.ceil(bytes / 65_536) }).buffer],
];

/** The ways in which JavaScript can detach memory that is still being read. */
const takings: [string, (buffer: ArrayBuffer) => void][] = [
  ['transferred to a thread', (buffer) => void structuredClone(buffer, { transfer: [buffer] })],
  [
    'posted and dropped',
    (buffer) => {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(buffer, [buffer]);
      port1.close();
      port2.close();
    },
  ],
  ['transferred to another length', (buffer) => void (buffer as never as Transferable).transfer?.(8)],
];
type Transferable = { transfer?: (bytes: number) => ArrayBuffer };

describe.skipIf(whatIsMissing())('borrowed inputs', () => {
  const bundle = bundleWithPlan({
    'model.engine': doublePlan(),
    'large.engine': doublePlan({ maxBatch: 4096 }),
  });
  let engine: TFTEngine;
  const load = (plan: string, options: LoadOptions = {}) =>
    TFTEngine.load(plan, { ...options, tensorrt: onDoubles(10, { lanes: 1, ...options.tensorrt }) });
  beforeEach(async () => {
    engine = await load(bundle.plan);
  });
  afterEach(() => engine.close());

  /** Keeps the only lane busy, so that the inputs of the next request are not read yet. */
  function busy(): Promise<Forecast[]> {
    return Promise.all(Array.from({ length: 2 }, () => engine.predict(variedInputs(8, 1))));
  }

  test.each(memories)('in a %s: every batch from one series to beyond the maximum', async (_, memory) => {
    const requests = Array.from({ length: 27 }, (_, index) =>
      inMemory(variedInputs(1 + index, index), memory),
    );
    const expected = requests.map((inputs) => doubleAnswer(inputs));
    const forecasts = await Promise.all(requests.map((inputs) => engine.predict(inputs, BORROW)));
    expect(forecasts.map(({ data }) => data)).toEqual(expected);
    const batch = await engine.predictBatch(requests, BORROW);
    expect(batch.map(({ data }) => data)).toEqual(expected);
  });

  test('memory of all kinds in one request, and borrowed requests among others', async () => {
    const inputs = variedInputs(3, 1);
    const shared = inMemory(inputs, (bytes) => new SharedArrayBuffer(bytes));
    const mixed = { ...inputs, encoderCat: shared.encoderCat, decoderCont: shared.decoderCont };
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => engine.predict(mixed, { borrow: index % 2 === 0 })),
    );
    for (const { data } of answers) expect(data).toEqual(doubleAnswer(inputs));
  });

  test('values that the caller writes before the promise settles may be forecast, without other effects', async () => {
    const running = busy();
    const inputs = variedInputs(2, 3);
    const forecast = engine.predict(inputs, BORROW);
    inputs.encoderCont.fill(4);
    inputs.decoderCat.fill(1);
    expect((await forecast).data).toEqual(doubleAnswer(inputs));
    await running;
  });

  test.each([
    ['encoderCont', 40, Number.NaN, 'ERR_TFT_INPUT_VALUE'],
    ['decoderCont', 7, -Infinity, 'ERR_TFT_INPUT_VALUE'],
    ['encoderCat', 13, 4, 'ERR_TFT_INPUT_CATEGORY'],
    ['decoderCat', 0, -1, 'ERR_TFT_INPUT_CATEGORY'],
  ] as const)('a bad value in %s[%i] is named, and other requests of its batch succeed', async (...row) => {
    const [tensor, index, value, code] = row;
    const inputs = variedInputs(4, 1);
    inputs[tensor][index] = value;
    const running = busy();
    const good = variedInputs(2, 9);
    const [before, bad, after] = [good, inputs, good].map((each) => engine.predict(each, BORROW));
    const copied = await engine.predict(inputs).catch((error: unknown) => error);
    const { message, details } = copied as { message: string; details: object };
    await expect(bad).rejects.toMatchObject({ name: 'TFTError', code, message, details });
    for (const forecast of [before, after]) expect((await forecast)?.data).toEqual(doubleAnswer(good));
    await running;
  });

  test('predictBatch names the request with the bad value', async () => {
    const requests = [1, 12, 3].map((batch, seed) => variedInputs(batch, seed));
    (requests[1] as ForecastInputs).encoderCont[200] = Number.NaN;
    const copied = await engine.predictBatch(requests).catch((error: unknown) => error);
    const { message, details } = copied as { message: string; details: object };
    expect(details).toMatchObject({ request: 1, tensor: 'encoderCont', index: 200, server: 11 });
    await expect(engine.predictBatch(requests, BORROW)).rejects.toMatchObject({ message, details });
  });

  test.each(takings)('memory that is %s while the request waits', async (_, take) => {
    const running = busy();
    const inputs = variedInputs(3, 5);
    const waiting = engine.predict(inputs, BORROW);
    const batch = engine.predictBatch([variedInputs(1, 2), variedInputs(2, 3)], BORROW);
    take(inputs.decoderCont.buffer as ArrayBuffer);
    if (inputs.decoderCont.length > 0) return void (await Promise.all([waiting, batch, running])); // no transfer() yet
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_TFT_INPUT_LENGTH',
      message: expect.stringMatching(
        /^decoderCont: .*detached, transferred or resized while it was borrowed/,
      ),
    });
    expect(await batch).toHaveLength(2);
    await running;
  });

  test('predictBatch names the request whose memory was detached', async () => {
    const running = busy();
    const requests = [1, 2, 3].map((batch, seed) => variedInputs(batch, seed));
    const waiting = engine.predictBatch(requests, BORROW);
    structuredClone(null, { transfer: [(requests[2] as ForecastInputs).encoderCat.buffer as ArrayBuffer] });
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_TFT_INPUT_LENGTH',
      details: { request: 2, tensor: 'encoderCat' },
    });
    await running;
  });

  test('memory that is resized away, grown, and grown by WebAssembly', async () => {
    const running = busy();
    const inputs = variedInputs(3, 5);
    const buffers: Resizable[] = [];
    const shrunk = inMemory(inputs, (bytes) => {
      const buffer = resizable(bytes, 2 * bytes);
      buffers.push(buffer);
      return buffer;
    });
    const grown = inMemory(inputs, (bytes) => {
      const buffer = resizable(bytes, 2 * bytes);
      queueMicrotask(() => buffer.resize(2 * bytes));
      return buffer;
    });
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
    const wasm = { ...inputs, encoderCont: new Float32Array(memory.buffer, 0, inputs.encoderCont.length) };
    wasm.encoderCont.set(inputs.encoderCont);
    const requests = [shrunk, grown, wasm].map((each) => engine.predict(each, BORROW));
    const [first, second, third] = requests;
    for (const buffer of buffers) buffer.resize(0);
    memory.grow(1); // detaches the ArrayBuffer of before
    const gone = { code: 'ERR_TFT_INPUT_LENGTH' };
    await Promise.all([expect(first).rejects.toMatchObject(gone), expect(third).rejects.toMatchObject(gone)]);
    expect((await second)?.data).toEqual(doubleAnswer(inputs));
    await running;
  });

  // Megabytes, so that memory is freed while lanes read it, and its pages are returned to the system.
  test('large memory that is detached and freed at any moment while lanes read it', async () => {
    await using large = await load(`${bundle.folder}/large.engine`, { tensorrt: { lanes: 2 } });
    const batch = 40_000; // 7 MB
    const given = variedInputs(batch, 1);
    const outcomes: string[] = [];
    for (let round = 0; round < 24; round++) {
      const inputs = inMemory(
        given,
        round % 2 ? (bytes) => resizable(bytes, bytes + 4096) : (bytes) => new ArrayBuffer(bytes),
      );
      const outcome = large.predict(inputs, BORROW).then(
        () => 'forecast',
        (error: { code: string }) => error.code,
      );
      const until = performance.now() + (round % 8) / 2;
      if (round >= 8) while (performance.now() < until);
      for (const { buffer } of Object.values(inputs)) {
        if (round % 2) buffer.resize(0);
        else structuredClone(buffer, { transfer: [buffer] });
      }
      outcomes.push(await outcome);
    }
    expect(new Set(outcomes)).toEqual(new Set(['ERR_TFT_INPUT_LENGTH']));
    expect((await large.predict(given, BORROW)).data).toEqual(doubleAnswer(given));
  });

  test('abort: the promise rejects at once, and the memory may be detached', async () => {
    const running = busy();
    const abort = new AbortController();
    const inputs = variedInputs(30, 5);
    const waiting = engine.predict(inputs, { borrow: true, signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_TFT_ABORTED' });
    for (const { buffer } of Object.values(inputs)) structuredClone(buffer, { transfer: [buffer] });
    await running;
    expect((await engine.predict(variedInputs(1, 1), BORROW)).data).toEqual(doubleAnswer(variedInputs(1, 1)));
  });

  test('a deadline, and close with borrowed requests running', async () => {
    const running = busy();
    await expect(engine.predict(variedInputs(1, 2), { borrow: true, deadlineMs: 1 })).rejects.toMatchObject({
      code: 'ERR_TFT_DEADLINE',
    });
    const inputs = variedInputs(20, 4);
    const accepted = engine.predict(inputs, BORROW);
    await engine.close();
    expect((await accepted).data).toEqual(doubleAnswer(inputs));
    await running;
  });

  test('inputs are not copied: predict and predictSync with `borrow` on and off', async () => {
    await expect(engine.predict(variedInputs(1, 1), { borrow: 1 as never })).rejects.toMatchObject({
      code: 'ERR_TFT_OPTION',
    });
    const inputs = variedInputs(3, 2);
    expect(engine.predictSync(inputs, BORROW).data).toEqual(doubleAnswer(inputs));
    const out = new Float32Array(3 * WIDTH);
    expect((await engine.predict(inputs, { borrow: true, out })).data).toBe(out);
    expect(out).toEqual(doubleAnswer(inputs));
  });

  test('worker threads borrow memory that they share with this one', async () => {
    const shared = Array.from({ length: 20 }, (_, seed) =>
      inMemory(variedInputs(1 + (seed % 9), seed), (bytes) => new SharedArrayBuffer(bytes)),
    );
    const expected = shared.map((inputs) => doubleAnswer(inputs));
    const threads = Array.from(
      { length: 2 },
      () => new Worker(THREAD, { workerData: { plan: bundle.plan, tensorrt: onDoubles(), options: BORROW } }),
    );
    await Promise.all(threads.map((thread) => once(thread, 'message')));
    for (const thread of threads) thread.postMessage(shared);
    const own = await Promise.all(shared.map((inputs) => engine.predict(inputs, BORROW)));
    expect(own.map(({ data }) => data)).toEqual(expected);
    for (const [answer] of await Promise.all(threads.map((thread) => once(thread, 'message')))) {
      expect(answer).toEqual(expected);
    }
    await Promise.all(threads.map((thread) => thread.terminate()));
  });
});
