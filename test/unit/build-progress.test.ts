// TensorRT's nested phases as one share of the whole.
import { describe, expect, test } from 'vitest';
import { PhaseTree } from '../../src/builder/progress.js';

type Step = [phase: string, parent: string, done: number, steps: number];

function shares(steps: readonly Step[]): number[] {
  const tree = new PhaseTree();
  return steps.map(([phase, parent, done, of]) => tree.take({ phase, parent, done, steps: of }).share);
}

describe('progress of a build', () => {
  test('is parsing, then the outermost phase, with inner ones filling its steps', () => {
    expect(
      shares([
        ['Parsing the ONNX file', '', 1, 1],
        ['building', '', 0, 4],
        ['tactics', 'building', 1, 2],
        ['kernels', 'tactics', 1, 2],
        ['building', '', 1, 4],
        ['tactics', 'building', 0, 10],
        ['tactics', 'building', 10, 10],
        ['building', '', 4, 4],
      ]),
    ).toEqual([0.02, ...[0, 0.125, 0.1875, 0.25, 0.25, 0.5, 1].map((share) => 0.02 + share * 0.98)]);
  });

  test('never decreases, whatever TensorRT reports, and ends at 1', () => {
    const found = shares([
      ['a', '', 3, 4],
      ['b', '', 1, 4],
      ['b', 'b', 1, 1],
      ['c', 'unknown', 5, 0],
      ['a', '', 9, 4],
    ]);
    expect(found).toEqual([...found].sort((x, y) => x - y));
    expect(found.at(-1)).toBe(1);
  });
});
