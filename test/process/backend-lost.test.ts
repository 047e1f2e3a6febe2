// What a caller sees when the thread that runs the model dies. Node announces new threads with the event
// 'worker'; a message that the thread cannot understand makes it die of an uncaught error.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LogEntry, TFTEngine, type TFTError } from '../../src/index.js';
import { bundles, samples, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { IN_WORKERS } from '../fixtures/native-onnxruntime.js';

const { inputs, expected } = samples();
let threads: Worker[];
let folder: string;
let engine: TFTEngine;
let log: LogEntry[];
const watch = (worker: Worker) => threads.push(worker);

beforeEach(async () => {
  threads = [];
  log = [];
  process.on('worker', watch);
  folder = mkdtempSync(join(tmpdir(), 'tft-lost-'));
  cpSync(bundles.tiny, folder, { recursive: true });
  engine = await TFTEngine.load(folder, {
    threads: 1,
    log: (entry) => log.push(entry),
    ...IN_WORKERS,
  });
});
afterEach(async () => {
  await engine.close();
  process.off('worker', watch);
  rmSync(folder, { recursive: true });
});

const poison = () => threads.at(-1)?.postMessage(null);
const gone = (worker: Worker | undefined) => new Promise((resolve) => worker?.once('exit', resolve));
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: TFTError) => error.code,
  );

test('the running request is refused with a code, the waiting ones run on another thread', async () => {
  poison();
  const running = engine.predict(inputs);
  const waiting = variedInputs(2, 4);
  const answer = engine.predict(waiting);
  await expect(running).rejects.toMatchObject({ code: 'ERR_TFT_BACKEND_LOST' });
  expect((await answer).data).toEqual(tinyAnswer(waiting));
  expect(threads).toHaveLength(2);
  expect(log.at(-1)).toMatchObject({ level: 'warn', message: expect.stringContaining('starting another') });
});

test('a thread that dies while idle is replaced for the next request', async () => {
  for (let round = 0; round < 3; round++) {
    const last = threads.at(-1);
    poison();
    await gone(last);
    expect((await engine.predict(inputs)).data).toEqual(expected);
  }
  expect(threads).toHaveLength(4);
});

test('a large request fails as a whole, and what waited behind it runs', async () => {
  poison();
  const large = engine.predict(variedInputs(50, 1));
  const small = engine.predict(inputs);
  expect(await outcome(large)).toBe('ERR_TFT_BACKEND_LOST');
  expect((await small).data).toEqual(expected);
});

test('a thread that cannot start again is tried once for each batch that asks, never in a loop', async () => {
  const last = threads.at(-1);
  poison();
  await gone(last);
  rmSync(join(folder, 'model.onnx'));
  expect(await outcome(engine.predict(inputs))).toBe('ERR_TFT_MODEL_INVALID');
  expect(await outcome(engine.predict(inputs))).toBe('ERR_TFT_MODEL_INVALID');
  expect(threads).toHaveLength(3);
  cpSync(join(bundles.tiny, 'model.onnx'), join(folder, 'model.onnx'));
  expect((await engine.predict(inputs)).data).toEqual(expected);
});

test('a thread that dies while starting fails the request that it was started for', async () => {
  const last = threads.at(-1);
  poison();
  await gone(last);
  const killNext = (worker: Worker) => worker.postMessage(null);
  process.once('worker', killNext);
  expect(await outcome(engine.predict(inputs))).toBe('ERR_TFT_BACKEND_LOST');
  expect((await engine.predict(inputs)).data).toEqual(expected);
});

test('close works with a dead thread', async () => {
  const last = threads.at(-1);
  poison();
  await gone(last);
  await engine.close();
  expect(await outcome(engine.predict(inputs))).toBe('ERR_TFT_CLOSED');
});

test('with two threads the other one goes on', async () => {
  const two = await TFTEngine.load(folder, { threads: 2 });
  const [lost] = threads.slice(-2);
  lost?.postMessage(null);
  const outcomes = await Promise.all([0, 1, 2, 3].map((seed) => outcome(two.predict(variedInputs(1, seed)))));
  expect(outcomes.filter((one) => one === 'ERR_TFT_BACKEND_LOST').length).toBeLessThanOrEqual(1);
  expect(outcomes.filter((one) => one === 'fulfilled').length).toBeGreaterThanOrEqual(3);
  await two.close();
});
