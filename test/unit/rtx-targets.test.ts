// The names of GPUs that an engine is built for.
import { describe, expect, it, test } from 'vitest';
import { computeCapabilities } from '../../src/builder/rtx-targets.js';

describe('a target', () => {
  it.each([
    ['rtx4090', 89],
    ['GeForce RTX 4070 Ti SUPER', 89],
    ['NVIDIA L40S', 89],
    ['RTX 6000 Ada', 89],
    ['RTX 3080', 86],
    ['RTX A6000', 86],
    ['A100', 80],
    ['rtx-2060', 75],
    ['T4', 75],
    ['rtx5090', 120],
    ['sm120', 120],
    ['SM_86', 86],
    ['8.9', 89],
    ['121', 121],
  ])('%s has the compute capability %i', (target, capability) => {
    expect(computeCapabilities([target])).toEqual([capability]);
  });

  it.each(['h200', 'sm90', '9.0', 'rtx9090', 'rtx40900', '', 'sm', 'b200'])('%j is not known', (target) => {
    expect(() => computeCapabilities([target])).toThrow(
      expect.objectContaining({
        code: 'ERR_TFT_OPTION',
        message: expect.stringContaining(`'${target}' is not known`),
      }),
    );
  });
});

test('targets are sorted, each once', () => {
  expect(computeCapabilities(['rtx5090', 'rtx4090', '8.9', 'L4'])).toEqual([89, 120]);
});
