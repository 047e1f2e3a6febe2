// Native engines in several threads at once: each thread has its own state in the addon.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { variedInputs } from '../fixtures/bundles.js';
import { bundleWithPlan, doubleAnswer, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

const THREAD = fileURLToPath(new URL('../fixtures/native-thread.mjs', import.meta.url));

describe.skipIf(whatIsMissing())('threads', () => {
  test('several threads and the main one, reloaded again and again', async () => {
    const bundle = bundleWithPlan();
    const tensorrt = onDoubles();
    await using engine = await TFTEngine.load(bundle.plan, { tensorrt });
    for (let round = 0; round < 3; round++) {
      const threads = Array.from(
        { length: 3 },
        () => new Worker(THREAD, { workerData: { plan: bundle.plan, tensorrt } }),
      );
      await Promise.all(threads.map((thread) => once(thread, 'message')));
      const requests = Array.from({ length: 40 }, (_, seed) => variedInputs(1 + (seed % 9), seed));
      const expected = requests.map((inputs) => doubleAnswer(inputs));
      const own = Promise.all(requests.map((inputs) => engine.predict(inputs)));
      for (const thread of threads) thread.postMessage(requests);
      const answers = await Promise.all(threads.map((thread) => once(thread, 'message')));
      for (const [answer] of answers) expect(answer).toEqual(expected);
      expect((await own).map(({ data }) => data)).toEqual(expected);
      await Promise.all(threads.map((thread) => thread.terminate()));
    }
    bundle.remove();
  });
});
