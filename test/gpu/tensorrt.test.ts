// The public behaviour against real TensorRT on a real GPU: what the doubles cannot know. Runs by
// `npm run test:gpu`, with a plan of the demo model: models/demo/*.engine, or the file that TFT_GPU_PLAN names.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ForecastInputs, loadModel, readBundleFile, TFTEngine } from '../../src/index.js';
import { loadAddon } from '../../src/native/load-addon.js';

const demo = fileURLToPath(new URL('../../models/demo', import.meta.url));
const inBundle = readdirSync(demo).find((name) => name.endsWith('.engine'));
const plan = process.env.TFT_GPU_PLAN ?? (inBundle && join(demo, inBundle));
const THREAD = fileURLToPath(new URL('../fixtures/native-thread.mjs', import.meta.url));

test('the loader finds a driver, a GPU and TensorRT', async () => {
  const report = await loadAddon().loadLibraries({});
  console.log(JSON.stringify(report, undefined, 2));
  expect(report.problem).toBeUndefined();
  expect(report.devices.length).toBeGreaterThan(0);
});

test('files that are no plan are refused, and nothing crashes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-gpu-'));
  writeFileSync(join(folder, 'model.json'), readFileSync(join(demo, 'model.json')));
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
  let inputs: ForecastInputs;
  let expected: Float32Array;
  let allowed: number;
  beforeAll(async () => {
    engine = await TFTEngine.load(plan as string, { log: ({ message }) => console.log(message) });
    console.log(engine.info);
    const model = await loadModel(demo);
    if (!model.samples) throw new Error('the demo bundle has no samples');
    const { files, tolerance, spread } = model.samples;
    const memory = async (name: keyof typeof files) => {
      const content = await readBundleFile(model, files[name]);
      return content.buffer.slice(content.byteOffset, content.byteOffset + content.length) as ArrayBuffer;
    };
    inputs = {
      encoderCont: new Float32Array(await memory('encoder_cont')),
      encoderCat: new Int32Array(await memory('encoder_cat')),
      decoderCont: new Float32Array(await memory('decoder_cont')),
      decoderCat: new Int32Array(await memory('decoder_cat')),
    };
    expected = new Float32Array(await memory('expected'));
    // Half precision rounds at 2^-11; a plan in fp32 has to meet the bundle's own limit.
    allowed = engine.info.precision === 'fp32' ? tolerance * spread : 0.02 * spread;
  });
  afterAll(() => engine?.close());

  /** Servers `from` to `to` of the samples. */
  function some(from: number, to: number): ForecastInputs {
    const { encoderLength, horizon, metrics, categories, known } = engine.model;
    const part = <T extends Float32Array | Int32Array>(array: T, width: number) =>
      array.subarray(from * width, to * width) as T;
    return {
      encoderCont: part(inputs.encoderCont, encoderLength * metrics.length),
      encoderCat: part(inputs.encoderCat, encoderLength * categories.length),
      decoderCont: part(inputs.decoderCont, horizon * known.length),
      decoderCat: part(inputs.decoderCat, horizon * categories.length),
    };
  }
  function check(data: Float32Array, from: number): void {
    const width = engine.model.horizon * engine.model.quantiles.length;
    let worst = 0;
    for (let i = 0; i < data.length; i++) {
      // No graph can know the past month of a window in which it turns.
      if (engine.model.samples?.monthTurn?.includes(from + Math.floor(i / width))) continue;
      worst = Math.max(worst, Math.abs((data[i] as number) - (expected[from * width + i] as number)));
    }
    expect(worst).toBeLessThanOrEqual(allowed);
  }

  test('every batch of the samples, awaited and blocking', async () => {
    const count = engine.model.samples?.count ?? 0;
    for (let batch = 1; batch <= count; batch++) {
      check((await engine.predict(some(0, batch))).data, 0);
      check(engine.predictSync(some(count - batch, count)).data, count - batch);
    }
  });

  test('many callers at once, some called off', async () => {
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

  test('model.json that says otherwise is held against the plan', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-gpu-'));
    const model = JSON.parse(readFileSync(join(demo, 'model.json'), 'utf8'));
    model.horizon -= 1;
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
