// A batch that is too large is refused before anything is computed with its size.
import { expect, test } from 'vitest';
import { Contract, inputsOf } from '../../src/contract/inputs.js';
import type { ModelDescription } from '../../src/contract/model.js';
import { inputTensors } from '../../src/contract/tensors.js';

/** One value per series in each tensor, so that a batch has the fewest bytes. */
const model = {
  encoderLength: 1,
  horizon: 1,
  quantiles: [0.5],
  metrics: [{ name: 'a' }],
  categories: [{ name: 'b', codes: { unknown: 0 }, role: 'static' }],
  known: ['hour'],
  inputs: [],
  outputs: [],
} as unknown as ModelDescription;

function memory(bytes: number): ArrayBuffer | undefined {
  try {
    // Untouched pages take no memory.
    return new ArrayBuffer(bytes);
  } catch {
    console.warn(`skipped: ${bytes} bytes cannot be allocated here`);
    return undefined;
  }
}

test.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 7])('%d series', (batch) => {
  const buffer = memory(batch * 4);
  if (buffer === undefined) return;
  const contract = new Contract(model);
  const inputs = inputsOf(
    inputTensors(model).map((tensor) => [
      tensor,
      tensor.type === 'float32' ? new Float32Array(buffer, 0, batch) : new Int32Array(buffer, 0, batch),
    ]),
  );
  if (batch < 2 ** 31) {
    expect(contract.accept(inputs).batch).toBe(batch);
    return;
  }
  expect(() => contract.accept(inputs)).toThrow(
    expect.objectContaining({
      code: 'ERR_TFT_INPUT_LENGTH',
      message: expect.stringMatching(/2147483647 are the most/),
    }),
  );
});
