// What a forecast rests on: the weights of the variables and the attention, read from the further outputs of a model that
// explains. The exporter's graph/explanation.py defines the numbers.
import type { FurtherOutput } from './further-output.js';
import type { ModelDescription } from './model.js';
import { KNOWN_FEATURES } from './names.js';

/** A variable's share of what its selection passes on. */
export interface VariableWeight {
  /** pytorch-forecasting's name of it; docs/export.md says what those beside the history's columns are. */
  readonly name: string;
  /** The same for people: 'cpu_user_pct 24 h before' is `cpu_user_pct_lagged_by_288`. */
  readonly label: string;
  /** From 0 to 1; those of one selection sum to 1. */
  readonly weight: number;
}

/** The attention of one part of the horizon. */
export interface AttentionPart {
  /** The part's first step, from 0. */
  readonly from: number;
  /** The step after its last. */
  readonly to: number;
  /**
   * The mean attention of the part's steps to each step of the past, oldest first: `[encoder steps]`, a view. The last one is
   * the newest step. Together less than 1, as the rest goes to earlier steps of the forecast.
   */
  readonly weights: Float32Array;
}

/** How a model's further outputs explain a forecast: the field `explanation` of model.json. */
export type ExplainedModel = NonNullable<ModelDescription['explanation']>;

/** Of weights in JSON: more digits say nothing. */
const DIGITS = 1e6;

/**
 * What one forecast rests on: B. Lim et al., Temporal Fusion Transformers for interpretable multi-horizon time series
 * forecasting (2021), sections 4.2, 4.4 and 7. Weights are shares, and no causes.
 */
export class Explanation {
  /** The static variables, the heaviest first; none where the model has none. */
  readonly static: readonly VariableWeight[];
  /** The variables of the past, the heaviest first: the mean over its steps. */
  readonly encoder: readonly VariableWeight[];
  /** The variables known ahead, the heaviest first: the mean over the horizon. */
  readonly decoder: readonly VariableWeight[];
  /** By parts of the horizon, the nearest first. */
  readonly attention: readonly AttentionPart[];

  /**
   * @internal
   * @param series the index of the series in the batch of the outputs.
   * @param stepMinutes of the model, for labels.
   */
  constructor(
    { selections, attention: { output, parts } }: ExplainedModel,
    outputs: Readonly<Record<string, FurtherOutput>>,
    series: number,
    stepMinutes: number,
  ) {
    const rowOf = (name: string, row = 0): Float32Array => {
      const { data, shape } = outputs[name] as FurtherOutput;
      const [, rows, width] = shape;
      return data.subarray((series * rows + row) * width, (series * rows + row + 1) * width) as Float32Array;
    };
    const weightsOf = (wanted: string): VariableWeight[] => {
      const selection = selections.find(({ of }) => of === wanted);
      const weights = selection?.output === undefined ? [1] : rowOf(selection.output);
      return (selection?.variables ?? [])
        .map((name, index) => ({
          name,
          label: labelOf(name, stepMinutes),
          weight: weights[index] as number,
        }))
        .sort((one, other) => other.weight - one.weight);
    };
    this.static = weightsOf('static');
    this.encoder = weightsOf('encoder');
    this.decoder = weightsOf('decoder');
    this.attention = parts.map(([from, to], part) => ({ from, to, weights: rowOf(output, part) }));
  }

  /** The attention of the whole horizon, as of a part of it: `[encoder steps]`, oldest first. */
  get past(): Float32Array {
    const [first] = this.attention as [AttentionPart];
    const horizon = this.attention.reduce((sum, { from, to }) => sum + to - from, 0);
    return Float32Array.from(first.weights, (_, step) =>
      this.attention.reduce(
        (sum, { from, to, weights }) => sum + ((to - from) / horizon) * (weights[step] as number),
        0,
      ),
    );
  }

  /** All weights, to six decimals. */
  toJSON(): Record<string, unknown> {
    const rounded = (weight: number) => Math.round(weight * DIGITS) / DIGITS;
    const list = (weights: readonly VariableWeight[]) =>
      weights.map(({ name, weight }) => ({ name, weight: rounded(weight) }));
    return {
      static: list(this.static),
      encoder: list(this.encoder),
      decoder: list(this.decoder),
      attention: this.attention.map(({ from, to, weights }) => ({
        from,
        to,
        weights: Array.from(weights, rounded),
      })),
    };
  }
}

/**
 * Attention summed by bins of `size` steps, oldest first. The last bin ends with the newest step; the first one may be of
 * fewer steps.
 */
export function binAttention(weights: Float32Array, size: number): number[] {
  const bins = new Array<number>(Math.ceil(weights.length / size)).fill(0);
  for (const [step, weight] of weights.entries()) {
    const bin = bins.length - 1 - Math.floor((weights.length - 1 - step) / size);
    bins[bin] = (bins[bin] as number) + weight;
  }
  return bins;
}

function labelOf(name: string, stepMinutes: number): string {
  const [, lagged, steps] = /^(.+)_lagged_by_(\d+)$/.exec(name) ?? [];
  if (lagged !== undefined) return `${lagged} ${spanOf(Number(steps) * stepMinutes)} before`;
  const [, scaled, part] = /^(.+)_(center|scale)$/.exec(name) ?? [];
  if (scaled !== undefined) return `${part === 'center' ? 'level' : 'spread'} of ${scaled}`;
  if (name === 'relative_time_idx') return 'place in the window';
  if (name === 'encoder_length') return 'length of the history';
  return (KNOWN_FEATURES as readonly string[]).includes(name) ? name.replaceAll('_', ' ') : name;
}

function spanOf(minutes: number): string {
  const rounded = (value: number) => Number(value.toFixed(1));
  if (minutes < 60) return `${rounded(minutes)} min`;
  const hours = minutes / 60;
  return hours >= 72 ? `${rounded(hours / 24)} days` : `${rounded(hours)} h`;
}

/** How the model that is loaded explains; undefined if it was loaded without `explain`. */
export function explainedBy({ explanation, outputs }: ModelDescription): ExplainedModel | undefined {
  return outputs.some(({ name }) => name === explanation?.attention.output) ? explanation : undefined;
}
