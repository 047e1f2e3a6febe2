// The priority of the threads that compute on a CPU.
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';
import { threadsBelow } from '../fixtures/priorities.js';

test.skipIf(process.platform !== 'linux')(
  "the threads that run a model have the caller's priority, or a lower one if asked for",
  async () => {
    const before = getPriority();
    const lower = () => threadsBelow(before);
    expect(lower()).toBe(0);
    const plain = await TFTEngine.load(bundles.tiny, { backend: 'onnxruntime', threads: 2 });
    await plain.warmup();
    expect(lower()).toBe(0);
    await plain.close();
    const engine = await TFTEngine.load(bundles.tiny, { backend: 'onnxruntime', threads: 2, nice: 5 });
    await engine.warmup();
    expect(lower()).toBe(2);
    expect(getPriority()).toBe(before);
    await engine.close();
  },
);
