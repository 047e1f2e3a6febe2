// An engine inside a worker thread of the user's: there a model that the addon does not run runs in a process of its own.
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ForecastInputs } from '../../src/index.js';
import { bundles, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { whyNotInTheAddon } from '../fixtures/native-onnxruntime.js';

const THREAD = fileURLToPath(new URL('../fixtures/engine-in-thread.mjs', import.meta.url));
/** Set for all that this process starts. */
const MARK = 'TFT_TEST_STARTED_BY';
process.env[MARK] = String(process.pid);
const hasProc = existsSync('/proc/self/task');

const IN_A_PROCESS = { model: bundles.tiny, native: false };

let thread: Worker;
beforeEach(async () => {
  thread = new Worker(THREAD, { workerData: IN_A_PROCESS });
  const [info] = await once(thread, 'message');
  expect(info).toMatchObject({ backend: 'onnxruntime', maxBatch: 4 });
});
afterEach(() => thread.terminate());

async function predict(requests: ForecastInputs[]): Promise<unknown[]> {
  thread.postMessage(requests);
  const [results] = await once(thread, 'message');
  return results;
}

/** The processes that this one has started to run models; they are the children of none of its. */
function modelProcesses(): number[] {
  return readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id))
    .filter((id) => readIfThere(`/proc/${id}/cmdline`).includes('onnxruntime/worker.js'))
    .filter((id) => readIfThere(`/proc/${id}/environ`).includes(`${MARK}=${process.pid}\0`))
    .map(Number);
}

/** The children of this process that have ended and still have a place in the system's table. */
function zombies(): string[] {
  return readdirSync('/proc/self/task')
    .flatMap((task) => readIfThere(`/proc/self/task/${task}/children`).split(' ').filter(Boolean))
    .filter((id) => /\) Z /.test(readIfThere(`/proc/${id}/stat`)));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

test('answers as it does anywhere, in parts and packed', async () => {
  const requests = [1, 3, 9, 2, 1].map((batch, seed) => variedInputs(batch, seed));
  expect(await predict(requests)).toEqual(requests.map(tinyAnswer));
});

test('close ends thread and process', async () => {
  thread.postMessage('close');
  const [code] = await once(thread, 'exit');
  expect(code).toBe(0);
});

test.skipIf(!hasProc)('a process that is killed is replaced', async () => {
  const inputs = variedInputs(2, 1);
  const [process_] = modelProcesses();
  expect(process_).toBeGreaterThan(0);
  process.kill(process_ as number, 'SIGKILL');
  const [first] = await predict([inputs]);
  // The engine may hear of the death before or after it has sent the request.
  if (first !== 'ERR_TFT_BACKEND_LOST') expect(first).toEqual(tinyAnswer(inputs));
  expect(await predict([inputs])).toEqual([tinyAnswer(inputs)]);
});

test.skipIf(!hasProc)('no process is left when the thread is terminated', async () => {
  expect(modelProcesses()).toHaveLength(2);
  await thread.terminate();
  // One that stays lets the test run into its timeout.
  while (modelProcesses().length > 0) await new Promise((done) => setTimeout(done, 20));
  expect(zombies()).toEqual([]);
});

test.skipIf(!hasProc)(
  'threads that are ended without closing their engines leave nothing behind',
  async () => {
    const before = modelProcesses().length;
    for (const ending of ['terminate', 'terminate', 'exit'] as const) {
      const other = new Worker(THREAD, { workerData: IN_A_PROCESS });
      await once(other, 'message');
      if (ending === 'terminate') {
        await other.terminate();
      } else {
        other.postMessage('exit');
        await once(other, 'exit');
      }
    }
    while (modelProcesses().length > before) await new Promise((done) => setTimeout(done, 20));
    expect(zombies()).toEqual([]);
  },
);

test.skipIf(whyNotInTheAddon())(
  'in the addon: threads are ended in the middle of runs, and others go on',
  async () => {
    const workerData = { model: bundles.tiny, native: true };
    const requests = Array.from({ length: 20 }, (_, seed) => variedInputs(1 + (seed % 9), seed));
    const expected = requests.map(tinyAnswer);
    const stays = new Worker(THREAD, { workerData });
    await once(stays, 'message');
    for (const ending of ['terminate', 'exit', 'close', 'terminate'] as const) {
      const other = new Worker(THREAD, { workerData });
      await once(other, 'message');
      other.postMessage(requests);
      if (ending === 'terminate') {
        await other.terminate();
      } else {
        other.postMessage(ending);
        await once(other, 'exit');
      }
      stays.postMessage(requests);
      expect((await once(stays, 'message'))[0]).toEqual(expected);
    }
    await stays.terminate();
  },
);
