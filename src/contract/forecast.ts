// The result of a prediction: quantiles for every series and step, in the target's raw units.
import { TFTError } from './errors.js';

const NONE = Object.freeze({});

/** An output beside the predictions, row-major. */
export interface FurtherOutput {
  readonly data: Float32Array | Int32Array;
  /** `[batch, steps, channels]`. */
  readonly shape: readonly [number, number, number];
}

/**
 * The forecast of a batch of series.
 *
 * `data` is row-major `[batch, horizon, quantiles]`. It is the caller's `out` if one was given.
 */
export class Forecast {
  /** The predicted quantiles, row-major in the order of `shape`, in the target's raw units. */
  readonly data: Float32Array;
  /** `[batch, horizon, quantiles]`. */
  readonly shape: readonly [number, number, number];
  /** The quantiles of the last axis, increasing. */
  readonly quantiles: readonly number[];
  /** What the model gives beside the predictions, by the names in its model.json; the default model has none. */
  readonly outputs: Readonly<Record<string, FurtherOutput>>;

  constructor(
    data: Float32Array,
    shape: readonly [number, number, number],
    quantiles: readonly number[],
    outputs: Readonly<Record<string, FurtherOutput>> = NONE,
  ) {
    this.data = data;
    this.shape = shape;
    this.quantiles = quantiles;
    this.outputs = outputs;
  }

  /**
   * One quantile, copied out: `[batch, horizon]`, row-major, in the target's raw units.
   *
   * @param q one of `quantiles`, such as 0.5 for the median.
   * @throws TFTError ERR_TFT_OPTION when the model does not predict `q`.
   */
  quantile(q: number): Float32Array {
    const column = this.quantiles.indexOf(q);
    if (column < 0) {
      throw new TFTError(
        'ERR_TFT_OPTION',
        `quantile ${String(q)} is not predicted by this model; it predicts ${this.quantiles.join(', ')}`,
        { details: { found: q, expected: this.quantiles } },
      );
    }
    const [batch, horizon, width] = this.shape;
    const values = new Float32Array(batch * horizon);
    for (let step = 0, at = column; step < values.length; step++, at += width) {
      values[step] = this.data[at] as number;
    }
    return values;
  }
}
