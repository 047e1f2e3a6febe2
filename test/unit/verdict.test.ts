// The goals of `tft verify` for each precision.
import { expect, test } from 'vitest';
import type { BundleSamples } from '../../src/contract/samples.js';
import { judge } from '../../src/contract/verdict.js';
import type { ModelDescription } from '../../src/index.js';

const OUTPUTS = 20_000;
const SPREAD = 10;
// 1,000 windows of one step and 20 quantiles; judging reads nothing else of a model.
const model = {
  name: 'made up',
  horizon: 1,
  quantiles: Array.from({ length: 20 }, (_, i) => (i + 1) / 21),
} as unknown as ModelDescription;
const samples = {
  count: 1000,
  expected: new Float32Array(OUTPUTS),
  spread: SPREAD,
  tolerance: 1e-4,
  monthTurn: new Set<number>(),
} as unknown as BundleSamples;

/** The verdict if the given numbers of outputs differ by the given hundredths of the spread. */
function verdict(
  precision: string,
  off: readonly (readonly [outputs: number, hundredths: number])[],
  judged: ModelDescription = model,
) {
  const found = new Float32Array(OUTPUTS);
  let at = 0;
  for (const [outputs, hundredths] of off)
    for (let i = 0; i < outputs; i++) found[at++] = (hundredths * SPREAD) / 100;
  return judge(judged, { line: 'an engine', precision }, samples, found);
}

test('FP32 is judged by its largest difference', () => {
  expect(verdict('fp32', [[1, 0.009]])).toMatchObject({ withinLimit: true, shares: [] });
  expect(verdict('fp32', [[1, 0.011]]).withinLimit).toBe(false);
  expect(verdict('unknown', [[1, 0.011]]).withinLimit).toBe(false);
});

test('FP16 is judged by the shares within 1 % and 0.5 % of the spread', () => {
  const held = verdict('fp16', [
    [2, 50],
    [18, 0.9],
    [1000, 0.4],
  ]);
  expect(held.withinLimit).toBe(true);
  expect(held.shares).toEqual([
    { within: 0.01, goal: 0.9999, spread: SPREAD, share: 0.9999 },
    { within: 0.005, goal: 0.999, spread: SPREAD, share: 0.999 },
  ]);
  expect(verdict('fp16', [[3, 50]]).withinLimit).toBe(false);
  expect(verdict('fp16', [[21, 0.9]]).withinLimit).toBe(false);
});

test('INT8 is judged by the share within 1 %', () => {
  expect(verdict('int8', [[1000, 3]])).toMatchObject({
    withinLimit: true,
    shares: [{ within: 0.01, goal: 0.95, share: 0.95 }],
  });
  expect(verdict('int8', [[1001, 3]]).withinLimit).toBe(false);
});

test('shares are of the spread that the accuracy table was judged with', () => {
  const judged = { ...model, accuracy: { spread: 2 * SPREAD, rows: [] } };
  expect(verdict('int8', [[2000, 1.9]]).withinLimit).toBe(false);
  expect(verdict('int8', [[2000, 1.9]], judged)).toMatchObject({
    withinLimit: true,
    shares: [{ spread: 2 * SPREAD, share: 1 }],
  });
  expect(verdict('fp32', [[1, 0.011]], judged).withinLimit).toBe(false);
});

test('the goals are those of model.json if it has them', () => {
  const goals = {
    fp32: { shares: [{ share: 0.5, within: 0.5 }] },
    int8: {
      shares: [
        { share: 0.9, within: 0.02 },
        { share: 0.8, within: 0.005 },
      ],
    },
  };
  const judged = { ...model, accuracy: { rows: [], goals } };
  expect(verdict('int8', [[2000, 3]], judged)).toMatchObject({
    withinLimit: true,
    shares: [
      { within: 0.02, goal: 0.9, share: 0.9 },
      { within: 0.005, goal: 0.8, share: 0.9 },
    ],
  });
  expect(verdict('int8', [[2001, 3]], judged).withinLimit).toBe(false);
  // Precisions that the file omits have the default goals.
  expect(verdict('fp16', [[3, 50]], judged).withinLimit).toBe(false);
  // FP32's limit is stricter than any share.
  expect(verdict('fp32', [[1, 0.011]], judged)).toMatchObject({ withinLimit: false, shares: [] });
});

test.each(['fp32', 'fp16', 'int8'])('one NaN fails in %s', (precision) => {
  expect(verdict(precision, [[1, Number.NaN]]).withinLimit).toBe(false);
});
