// The public behaviour against real TensorRT on a real GPU: what the doubles cannot know. Runs by
// `npm run test:gpu`, with a plan of the demo model: models/demo/*.engine, or the file that TFT_GPU_PLAN names.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BundleSamples } from '../../src/contract/samples.js';
import { TFTEngine } from '../../src/index.js';
import { loadAddon } from '../../src/native/load-addon.js';
import { DEMO, demoSamples, largestDifference, windows } from '../fixtures/demo-samples.js';

const inBundle = readdirSync(DEMO).find((name) => name.endsWith('.engine'));
const plan = process.env.TFT_GPU_PLAN ?? (inBundle && join(DEMO, inBundle));
const THREAD = fileURLToPath(new URL('../fixtures/native-thread.mjs', import.meta.url));

test('the loader finds a driver, a GPU and TensorRT', async () => {
  const report = await loadAddon().loadLibraries({});
  console.log(JSON.stringify(report, undefined, 2));
  expect(report.problem).toBeUndefined();
  expect(report.devices.length).toBeGreaterThan(0);
});

test('files that are no plan are refused, and nothing crashes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-gpu-'));
  writeFileSync(join(folder, 'model.json'), readFileSync(join(DEMO, 'model.json')));
  const file = join(folder, 'bad.engine');
  const random = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 48_271) % 251));
  const contents = [
    Buffer.alloc(0),
    Buffer.from('no plan'),
    random,
    readFileSync(process.execPath).subarray(0, 1 << 20),
  ];
  if (plan) {
    const whole = readFileSync(plan);
    for (const part of [0.001, 0.1, 0.5, 0.99])
      contents.push(whole.subarray(0, Math.floor(whole.length * part)));
  }
  for (const content of contents) {
    writeFileSync(file, content);
    await expect(TFTEngine.load(file)).rejects.toMatchObject({ code: 'ERR_TFT_PLAN_INVALID' });
  }
  rmSync(folder, { recursive: true });
});

describe.skipIf(plan === undefined || !existsSync(plan))('a plan of the demo model', () => {
  let engine: TFTEngine;
  let samples: BundleSamples;
  /** Of the spread. */
  let allowed: number;
  beforeAll(async () => {
    engine = await TFTEngine.load(plan as string, { log: ({ message }) => console.log(message) });
    console.log(engine.info);
    samples = await demoSamples();
    // Half precision rounds at 2^-11; a plan in fp32 has to meet the bundle's own limit.
    allowed = engine.info.precision === 'fp32' ? samples.tolerance : 0.02;
  });
  afterAll(() => engine?.close());

  const some = (from: number, to: number) => windows(samples, from, to);
  const check = (data: Float32Array, from: number) =>
    expect(largestDifference(samples, data, from)).toBeLessThanOrEqual(allowed);

  test('every batch of the samples, awaited and blocking', async () => {
    const { count } = samples;
    for (let batch = 1; batch <= count; batch++) {
      check((await engine.predict(some(0, batch))).data, 0);
      check(engine.predictSync(some(count - batch, count)).data, count - batch);
    }
  });

  test('many concurrent callers, some of which cancel', async () => {
    const abort = new AbortController();
    const requests = Array.from({ length: 500 }, (_, i) =>
      engine.predict(some(i % 8, (i % 8) + 1 + (i % 5)), i % 10 === 9 ? { signal: abort.signal } : {}),
    );
    abort.abort();
    const outcomes = await Promise.allSettled(requests);
    outcomes.forEach((outcome, i) => {
      if (outcome.status === 'fulfilled') check(outcome.value.data, i % 8);
      else expect(outcome.reason).toMatchObject({ code: 'ERR_TFT_ABORTED' });
    });
  });

  test('threads that are terminated at work', async () => {
    for (let round = 0; round < 3; round++) {
      const threads = [0, 1].map(() => new Worker(THREAD, { workerData: { plan, tensorrt: {} } }));
      await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('message', resolve))));
      for (const thread of threads) thread.postMessage(Array.from({ length: 50 }, () => some(0, 4)));
      await Promise.all(threads.map((thread) => thread.terminate()));
    }
    check((await engine.predict(some(0, 3))).data, 0);
  });

  test('a plan that differs from model.json is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-gpu-'));
    const model = JSON.parse(readFileSync(join(DEMO, 'model.json'), 'utf8'));
    model.horizon -= 1;
    delete model.explanation;
    for (const tensor of [...model.inputs.slice(2), ...model.outputs]) tensor.shape[1] -= 1;
    writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
    writeFileSync(join(folder, 'model.engine'), readFileSync(plan as string));
    await expect(TFTEngine.load(join(folder, 'model.engine'))).rejects.toMatchObject({
      code: 'ERR_TFT_PLAN_MISMATCH',
    });
    rmSync(folder, { recursive: true });
    expect(dirname(engine.info.origin)).not.toBe(folder);
  });
});
