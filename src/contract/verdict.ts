// Compares the output of a bundle's sample windows, run here, with PyTorch's output for them.

import type { ModelDescription } from './model.js';
import { type Precision, VARIANT_PRECISIONS } from './names.js';
import type { BundleSamples } from './samples.js';

/** At least the share `goal` of the outputs must differ by at most `within` of the spread: docs/precision.md. */
export interface ShareGoal {
  readonly within: number;
  readonly goal: number;
}

export interface Share extends ShareGoal {
  /** The spread that `within` refers to: the accuracy table's, else the samples'. */
  readonly spread: number;
  readonly share: number;
}

/** The absolute differences of one quantile over the judged windows. */
export interface QuantileDifference {
  readonly quantile: number;
  readonly maximum: number;
  readonly mean: number;
}

export interface Verdict {
  readonly model: string;
  readonly engine: string;
  readonly precision: string;
  readonly windows: number;
  readonly limit: number;
  readonly spread: number;
  readonly tolerance: number;
  readonly quantiles: readonly QuantileDifference[];
  readonly maximum: number;
  /** The share of the outputs that are within 1 % of the spread, in every precision. */
  readonly withinOnePercent: number;
  /** For a precision below FP32: the goals and the shares that were found. */
  readonly shares: readonly Share[];
  /** Whether the precision's goals are reached: the limit in FP32, the shares in the others. */
  readonly withinLimit: boolean;
  /** Reported, not judged: the model cannot see the month before. */
  readonly monthTurn: { readonly windows: number; readonly maximum: number };
}

/** The goals for bundles of older exporters, whose model.json has none. */
const GOALS_OF_OLDER_BUNDLES: Readonly<Record<string, readonly ShareGoal[]>> = {
  fp16: [
    { within: 0.01, goal: 0.9999 },
    { within: 0.005, goal: 0.999 },
  ],
  int8: [{ within: 0.01, goal: 0.95 }],
};

/** The goals of a precision below FP32. FP32 has none: it is judged by its largest difference. */
function goalsOf({ accuracy }: ModelDescription, precision: string): readonly ShareGoal[] {
  if (!VARIANT_PRECISIONS.some((variant) => variant === precision)) return [];
  const own = accuracy?.goals?.[precision as Precision];
  return (
    own?.shares.map(({ share, within }) => ({ within, goal: share })) ??
    GOALS_OF_OLDER_BUNDLES[precision] ??
    []
  );
}

/** Compares computed outputs with PyTorch's for the same windows. */
export function judge(
  model: ModelDescription,
  engine: { readonly line: string; readonly precision: string },
  { count, expected, spread, tolerance, monthTurn }: BundleSamples,
  found: Float32Array,
): Verdict {
  const width = model.quantiles.length;
  const size = model.horizon * width;
  const maxima = new Float64Array(width);
  const sums = new Float64Array(width);
  const goals = goalsOf(model, engine.precision);
  // Goals refer to the target's spread over the data that the model was judged on; few sample windows may vary less.
  const judged = model.accuracy?.spread ?? spread;
  const reached = goals.map(() => 0);
  let monthTurnMaximum = 0;
  let near = 0;
  for (let at = 0; at < expected.length; at++) {
    const difference = differenceOf(found[at], expected[at]);
    if (monthTurn.has(Math.floor(at / size))) {
      monthTurnMaximum = Math.max(monthTurnMaximum, difference);
    } else {
      const column = at % width;
      maxima[column] = Math.max(maxima[column] as number, difference);
      sums[column] = (sums[column] as number) + difference;
      if (difference <= 0.01 * judged) near++;
      goals.forEach(({ within }, goal) => {
        if (difference <= within * judged) reached[goal] = (reached[goal] as number) + 1;
      });
    }
  }
  const windows = count - monthTurn.size;
  const maximum = Math.max(...maxima);
  const limit = tolerance * spread;
  const shares = goals.map((goal, at) => ({
    ...goal,
    spread: judged,
    share: (reached[at] as number) / Math.max(1, windows * size),
  }));
  return {
    model: model.name,
    engine: engine.line,
    precision: engine.precision,
    windows,
    limit,
    spread,
    tolerance,
    quantiles: model.quantiles.map((quantile, column) => ({
      quantile,
      maximum: maxima[column] as number,
      mean: (sums[column] as number) / Math.max(1, windows * model.horizon),
    })),
    maximum,
    withinOnePercent: near / Math.max(1, windows * size),
    shares,
    // With no window to judge, the goal is not shown to be reached.
    withinLimit:
      windows > 0 &&
      (shares.length > 0
        ? Number.isFinite(maximum) && shares.every(({ share, goal }) => share >= goal)
        : maximum <= limit),
    monthTurn: { windows: monthTurn.size, maximum: monthTurnMaximum },
  };
}

/** NaN counts as an infinite difference: in comparisons it would pass unnoticed. */
function differenceOf(found: number | undefined, expected: number | undefined): number {
  const difference = Math.abs((found ?? Number.NaN) - (expected ?? Number.NaN));
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}
