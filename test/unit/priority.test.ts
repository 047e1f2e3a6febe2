// The priority of the threads that compute on a CPU.
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';

/** The nice value of each thread of this process. */
function priorities(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const status = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

test.skipIf(process.platform !== 'linux')(
  "the threads that run a model have the caller's priority, or a lower one if asked for",
  async () => {
    const before = getPriority();
    const lower = () => priorities().filter((priority) => priority > before).length;
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
