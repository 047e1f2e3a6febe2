// engine.counters() after requests that ended in every way.
import { expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { bundles, constantInputs } from '../fixtures/bundles.js';

test('requests are counted by how they ended, and series by the batches that they ran in', async () => {
  const engine = await TFTEngine.load(bundles.slow, { maxBatch: 2, queueLimit: 4, threads: 1 });
  const gone = new AbortController();
  const fates = [
    engine.predict(constantInputs(2)),
    engine.predict(constantInputs(1)),
    engine.predict(constantInputs(1)),
    engine.predict(constantInputs(1), { signal: gone.signal }),
    engine.predict(constantInputs(1), { deadlineMs: 1 }),
    engine.predict(constantInputs(3)),
  ].map((fate) => fate.catch((error: Error) => error));
  expect(engine.counters()).toMatchObject({ accepted: 5, refused: 1, runningBatches: 1, waitingServers: 4 });
  gone.abort();
  await Promise.all(fates);
  await engine.close();
  const counters = engine.counters();
  expect(counters).toMatchObject({
    accepted: 5,
    succeeded: 3,
    cancelled: 1,
    expired: 1,
    failed: 0,
    refused: 1,
    servers: 4,
    batches: 2,
    batchSizes: [0, 0, 2],
    waitingServers: 0,
    runningBatches: 0,
  });
  // Two requests shared the second batch, so that its time counts twice.
  expect(counters.inferMicroseconds).toBeGreaterThan(counters.busyMicroseconds);
  expect(counters.queueMicroseconds).toBeGreaterThan(0);
});
