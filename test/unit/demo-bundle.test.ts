// The shipped bundle: the engine's output for its sample windows is PyTorch's.
import { expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { DEMO, demoSamples, largestDifference, whyNoDemo } from '../fixtures/demo-samples.js';

test.skipIf(whyNoDemo)(
  `sample windows against their expected output ${whyNoDemo ? `(${whyNoDemo})` : ''}`,
  async () => {
    const samples = await demoSamples();
    const engine = await TFTEngine.load(DEMO);
    const { data, shape } = await engine.predict(samples.inputs);
    await engine.close();
    expect(shape[0]).toBe(samples.count);
    expect(data).toHaveLength(samples.expected.length);
    expect(largestDifference(samples, data)).toBeLessThan(samples.tolerance);
  },
);
