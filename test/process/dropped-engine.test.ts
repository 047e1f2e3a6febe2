// An engine without references that was not closed.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { bundles, variedInputs } from '../fixtures/bundles.js';
import { IN_WORKERS } from '../fixtures/native-onnxruntime.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('its threads end when the garbage is collected', async () => {
  const threads = new Set<Worker>();
  const onWorker = (worker: Worker) => {
    threads.add(worker);
    worker.once('exit', () => threads.delete(worker));
  };
  process.on('worker', onWorker);
  for (let count = 0; count < 3; count++) await useAndDrop();
  expect(threads.size).toBeGreaterThan(0);
  // One that stays lets the test run into its timeout.
  while (threads.size > 0) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.off('worker', onWorker);
});

test('one whose answer is awaited is not dropped', async () => {
  const engine = await TFTEngine.load(bundles.tiny, { threads: 1 });
  const answers = Array.from({ length: 50 }, () => engine.predict(variedInputs(20, 1)));
  const collecting = setInterval(collectGarbage, 1);
  for (const { shape } of await Promise.all(answers)) expect(shape[0]).toBe(20);
  clearInterval(collecting);
});

async function useAndDrop(): Promise<void> {
  // Worker threads can be counted.
  const engine = await TFTEngine.load(bundles.tiny, { threads: 2, ...IN_WORKERS });
  await engine.predict(variedInputs(1, 1));
}
