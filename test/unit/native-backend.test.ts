// Into whose memory the native engine's threads may write results.
import { describe, expect, test, vi } from 'vitest';
import { NativeBackend } from '../../src/backends/native-backend.js';
import { Contract } from '../../src/contract/inputs.js';
import { emptyInputs, loadModel } from '../../src/index.js';
import type { NativeEngine } from '../../src/native/addon.js';
import { bundles, WIDTH } from '../fixtures/bundles.js';

/** Results of 64 KiB and more are large. */
const SERIES = 1400;
const model = await loadModel(bundles.tiny);
const contract = new Contract(model);

function backendOver(native: Partial<NativeEngine>): NativeBackend {
  const info = { name: 'tensorrt', device: 'none', versions: {}, precision: 'fp32', threads: 1 } as const;
  return new NativeBackend({
    native: Object.assign(native, { info: () => ({ maxBatch: 8 }) }) as unknown as NativeEngine,
    contract,
    info,
    origin: 'none',
    log: () => {},
  });
}

describe('results that the engine writes in place', () => {
  const shared = (series: number) => new Float32Array(new SharedArrayBuffer(4 * series * WIDTH));
  const signal = new AbortController().signal;

  test.each([
    ['new memory', SERIES, {}, 'new'],
    ["the caller's shared memory", SERIES, { out: shared(SERIES) }, 'out'],
    [
      'not with a signal, since an abort ends the request while a thread may write',
      SERIES,
      { out: shared(SERIES), signal },
      'none',
    ],
    ['new memory, with a signal', SERIES, { signal }, 'new'],
    ['not memory that may be detached', SERIES, { out: new Float32Array(SERIES * WIDTH) }, 'none'],
    ['no small result', 3, { out: shared(3) }, 'none'],
    ['no small result, in new memory', 3, {}, 'none'],
  ] as const)('%s', (_, series, options, where) => {
    const submitAll = vi.fn<NativeEngine['submitAll']>(() => 0);
    const backend = backendOver({ submitAll, submit: () => 0 });
    void backend.submit([contract.accept(emptyInputs(model, series))], options, false);
    const targets = submitAll.mock.calls[0]?.[3];
    if (where === 'none') expect(targets).toBeUndefined();
    else if (where === 'out') expect(targets).toEqual([(options as { out: Float32Array }).out]);
    else expect(targets?.map(({ length }) => length)).toEqual([series * WIDTH]);
    if (where === 'out') expect(targets?.[0]).toBe((options as { out: Float32Array }).out);
  });
});

test('no counter falls when a request turns out to have ended otherwise for its caller', async () => {
  const engineCounters = {
    ...{ accepted: 1, succeeded: 1, failed: 0, cancelled: 0, expired: 0, refused: 0, series: 3, batches: 1 },
    ...{ queueMicroseconds: 0, copyInMicroseconds: 0, runMicroseconds: 0, copyOutMicroseconds: 0 },
    ...{ batchSizes: [], waitingSeries: 0, runningBatches: 0 },
  };
  const native = {
    ...{ submit: () => 0, cancel: () => false, take: () => undefined, done: new Uint32Array(1) },
    counters: () => engineCounters,
    deliver: (_: number) => {},
  };
  const backend = backendOver(native as unknown as Partial<NativeEngine>);
  const aborting = new AbortController();
  const forecast = backend.submit(
    [contract.accept(emptyInputs(model, 3))],
    { signal: aborting.signal },
    false,
  );
  // The engine has counted it, and its result is on the way.
  expect(backend.counters()).toMatchObject({ succeeded: 1, cancelled: 0 });
  aborting.abort();
  await expect(forecast).rejects.toMatchObject({ code: 'ERR_TFT_ABORTED' });
  native.deliver(1);
  expect(backend.counters()).toMatchObject({ succeeded: 1, cancelled: 1 });
  engineCounters.succeeded = 2;
  expect(backend.counters()).toMatchObject({ succeeded: 1, cancelled: 1 });
});
