// The addon with other inputs and outputs than the default model's: the options give their number and types.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NativeEngine } from '../../src/native/addon.js';
import { loadAddon } from '../../src/native/load-addon.js';
import { MAJORS, onDoubles, sealed, weightOf, whatIsMissing } from '../fixtures/doubles.js';

const missing = whatIsMissing();
const SEED = 7;
const PLAN = `tft-double-plan 1
version *
seed ${SEED}
weights 1024
activation 1024
input load float32 -1,4
input host int32 -1,2
input price float32 -1,3
output forecast float32 -1,5
output attention float32 -1,2
profile
range load 1,4 4,4 8,4
range host 1,2 4,2 8,2
range price 1,3 4,3 8,3
`;

function inputsOf(batch: number, from: number): (Float32Array | Int32Array)[] {
  return [
    Float32Array.from({ length: batch * 4 }, (_, i) => from + i / 2),
    Int32Array.from({ length: batch * 2 }, (_, i) => (from + i) % 3),
    Float32Array.from({ length: batch * 3 }, (_, i) => i - from),
  ];
}

/** The doubles' formula for an output of this width. */
function answer(inputs: readonly (Float32Array | Int32Array)[], batch: number, width: number): Float32Array {
  const all = new Float32Array(batch * width);
  for (let row = 0; row < batch; row++) {
    const sums = inputs.map((array, i) => {
      const size = array.length / batch;
      let sum = 0;
      for (let j = 0; j < size; j++) sum += (array[row * size + j] as number) * weightOf(i, j, SEED);
      return sum;
    });
    for (let k = 0; k < width; k++)
      all[row * width + k] = sums.reduce(
        (total, sum, i) => total + sum * ((((7 * k + 3 * i + SEED) % 16) + 1) / 16),
        0,
      );
  }
  return all;
}

describe.skipIf(missing).each(MAJORS)('on TensorRT %i, three inputs and two outputs', (major) => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-tensors-'));
  let engine: NativeEngine;
  beforeAll(async () => {
    const plan = join(folder, 'model.engine');
    writeFileSync(plan, sealed(PLAN));
    const { cudaPath, tensorrtPath } = onDoubles(major);
    engine = await loadAddon().load(
      {
        cudaPath,
        tensorrtPath,
        plan,
        inputs: [
          { name: 'load', type: 'float32', item: [4] },
          { name: 'host', type: 'int32', item: [2], codes: [3, 3] },
          { name: 'price', type: 'float32', item: [3] },
        ],
        outputs: [
          { name: 'forecast', type: 'float32', item: [5] },
          { name: 'attention', type: 'float32', item: [2] },
        ],
        codes: [],
        queueLimit: 100,
      },
      () => {},
    );
  });
  afterAll(async () => {
    await engine?.close();
    rmSync(folder, { recursive: true });
  });

  function ended(): Promise<void> {
    return new Promise((resolve) => {
      engine.deliver = () => resolve();
    });
  }

  test('predict fills each output', () => {
    const inputs = inputsOf(3, 1);
    const forecast = new Float32Array(15);
    const attention = new Float32Array(6);
    engine.predict(...inputs, forecast, attention);
    expect(forecast).toEqual(answer(inputs, 3, 5));
    expect(attention).toEqual(answer(inputs, 3, 2));
    expect(() => engine.predict(...inputs, forecast)).toThrow(/`out`/);
  });

  test('a request in parts has each output of all parts in a row', async () => {
    const parts = [inputsOf(2, 0), inputsOf(9, 5)];
    const delivered = ended();
    const handle = engine.submitAll(-1, parts.flat());
    await delivered;
    const forecast = new Float32Array(55);
    const attention = new Float32Array(22);
    expect(engine.take(handle, forecast, attention)).toBeUndefined();
    const [first, second] = parts as [Float32Array[], Float32Array[]];
    expect(forecast).toEqual(Float32Array.of(...answer(first, 2, 5), ...answer(second, 9, 5)));
    expect(attention).toEqual(Float32Array.of(...answer(first, 2, 2), ...answer(second, 9, 2)));
  });

  test('an input has its own codes', () => {
    const [load, host, price] = inputsOf(1, 0) as [Float32Array, Int32Array, Float32Array];
    host[1] = 3;
    expect(() => engine.submit(-1, load, host, price)).toThrow(
      expect.objectContaining({ code: 'ERR_TFT_INPUT_VALUE', input: 1, index: 1, found: 3 }),
    );
  });
});

describe.skipIf(missing)('a plan that needs a plugin', () => {
  test('is refused without its library, and loads with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-tensors-'));
    const plan = join(folder, 'model.engine');
    writeFileSync(
      plan,
      sealed(PLAN.replace('input load', 'plugin TftDouble 1\nfield size int32 4\ninput load')),
    );
    const { cudaPath, tensorrtPath } = onDoubles(10);
    const library = join(tensorrtPath as string, '..', 'libplugins.so.10');
    const inspect = (plugins?: string[]) =>
      loadAddon().inspectPlan({ cudaPath, tensorrtPath, plan, plugins });
    await expect(inspect()).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_TFT_PLUGIN', message: expect.stringContaining('TftDouble') }),
    );
    expect((await inspect([library])).tensors).toHaveLength(5);
    rmSync(folder, { recursive: true });
  });
});
