// The result of a prediction: quantiles for every series and step, in the target's raw units.
import { TFTError } from './errors.js';
import { type ExplainedModel, Explanation } from './explanation.js';
import type { FurtherOutput } from './further-output.js';
import { interpolate, placeOf, type QuantilePlace } from './quantiles.js';
import { SeriesForecast } from './series-forecast.js';

const NONE = Object.freeze({});

/** A forecast's description: everything but its numbers. */
export interface ForecastAbout {
  /** The metric that is forecast. */
  readonly target?: string | undefined;
  /** The unit of the numbers; '' where the metric has none. */
  readonly unit?: string | undefined;
  readonly stepMinutes?: number | undefined;
  /** Whether the quantiles of each step were put in order. */
  readonly sorted?: boolean | undefined;
  /** Whether the numbers were kept within the target's range. */
  readonly clipped?: boolean | undefined;
  /** The names of the series, where they came from a history. */
  readonly names?: readonly string[] | undefined;
  /** The time of each series' first step, where they came from a history. */
  readonly starts?: readonly Date[] | undefined;
  /** How the further outputs explain the forecast, of a model that was loaded with `explain`. */
  readonly explained?: ExplainedModel | undefined;
}

/**
 * The forecast of a batch of series.
 *
 * `data` is row-major `[batch, horizon, quantiles]`: series `i`, step `s`, quantile `q` is
 * `data[(i * horizon + s) * quantiles.length + q]`. It is the caller's `out` if one was given.
 *
 * ```ts
 * forecast.at(0, 11, 0.9);        // series 0, an hour ahead: 90 % of outcomes are below this
 * forecast.quantile(0.5);         // the median of all, [batch, horizon]
 * for (const series of forecast) series.band(0.8).high; // [horizon]
 * ```
 */
export class Forecast implements Iterable<SeriesForecast> {
  /** The predicted quantiles, row-major in the order of `shape`, in the target's raw units. */
  readonly data: Float32Array;
  /** `[batch, horizon, quantiles]`. */
  readonly shape: readonly [number, number, number];
  /** The quantiles of the last axis, increasing. */
  readonly quantiles: readonly number[];
  /**
   * The model's outputs besides the predictions, by their names in model.json; the default model has none. Those of a model
   * that was loaded with `explain` are read by {@link SeriesForecast.explanation}.
   */
  readonly outputs: Readonly<Record<string, FurtherOutput>>;
  /** Names, times and unit, as far as they are known. */
  readonly about: ForecastAbout;

  constructor(
    data: Float32Array,
    shape: readonly [number, number, number],
    quantiles: readonly number[],
    outputs: Readonly<Record<string, FurtherOutput>> = NONE,
    about: ForecastAbout = NONE,
  ) {
    this.data = data;
    this.shape = shape;
    this.quantiles = quantiles;
    this.outputs = outputs;
    this.about = about;
  }

  /** Whether the quantiles of each step are in order: see the option `sorted`. */
  get sorted(): boolean {
    return this.about.sorted ?? false;
  }

  /** Whether all numbers are within the target's range: see the option `clipped`. */
  get clipped(): boolean {
    return this.about.clipped ?? false;
  }

  /**
   * One number, in the target's raw units.
   *
   * @param series an index from 0, or a name if the forecast is of a history.
   * @param step from 0, the first step after now.
   * @param quantile such as 0.5 for the median; interpolated as in `quantile`.
   * @throws TFTError ERR_TFT_OPTION for a series, step or quantile that does not exist.
   */
  at(series: number | string, step: number, quantile = 0.5): number {
    const place = placeOf(this.quantiles, quantile);
    const [, horizon, width] = this.shape;
    const index = this.#indexOf(series);
    if (!Number.isInteger(step) || step < 0 || step >= horizon) {
      throw new TFTError('ERR_TFT_OPTION', `step ${String(step)}: the steps are 0 to ${horizon - 1}`);
    }
    return interpolate(this.data, (index * horizon + step) * width, place);
  }

  /**
   * One quantile of all series and steps, copied out: `[batch, horizon]`, row-major, in the target's raw units.
   *
   * A quantile that is not the model's own is interpolated linearly, by probability, between the model's two nearest.
   *
   * @param q such as 0.5 for the median, between the model's lowest and highest.
   * @throws TFTError ERR_TFT_OPTION if `q` is outside that range, for which the model predicts nothing.
   */
  quantile(q: number): Float32Array {
    return this.#column(placeOf(this.quantiles, q));
  }

  /**
   * The central band that holds a share of the outcomes, each side `[batch, horizon]`.
   *
   * @param share 0.8 for the band from the quantile 0.1 to 0.9.
   * @throws TFTError ERR_TFT_OPTION when the model's quantiles do not reach so far.
   */
  band(share: number): { low: Float32Array; high: Float32Array } {
    return { low: this.quantile((1 - share) / 2), high: this.quantile((1 + share) / 2) };
  }

  /**
   * One series, as a view of `data`.
   *
   * @param series an index from 0, or a name where the forecast came from a history.
   * @throws TFTError ERR_TFT_OPTION for one that is not there.
   */
  series(series: number | string): SeriesForecast {
    return this.view(this.#indexOf(series));
  }

  /** Reads what the forecast of one series rests on. @returns undefined if the model does not explain. */
  protected explainer(index: number): (() => Explanation) | undefined {
    const { explained, stepMinutes = 1 } = this.about;
    return explained && (() => new Explanation(explained, this.outputs, index, stepMinutes));
  }

  /** All series, in order. */
  *[Symbol.iterator](): Generator<SeriesForecast> {
    for (let index = 0; index < this.shape[0]; index++) yield this.view(index);
  }

  /** What JSON.stringify writes: target, unit, and for each series its name, times, quantiles and values. */
  toJSON(): Record<string, unknown> {
    const { target, unit } = this.about;
    const { sorted, clipped } = this;
    return { target, unit, sorted, clipped, forecasts: Array.from(this, (series) => series.toJSON()) };
  }

  protected view(index: number): SeriesForecast {
    const [, horizon, width] = this.shape;
    const size = horizon * width;
    return new SeriesForecast({
      server: this.about.names?.[index],
      start: this.about.starts?.[index],
      stepMinutes: this.about.stepMinutes,
      quantiles: this.quantiles,
      values: this.data.subarray(index * size, (index + 1) * size),
      explain: this.explainer(index),
    });
  }

  #indexOf(series: number | string): number {
    const { names } = this.about;
    const [batch] = this.shape;
    if (typeof series === 'string') {
      const index = names?.indexOf(series) ?? -1;
      if (index >= 0) return index;
      const hint =
        names === undefined ? 'this forecast has no names; give an index' : 'no series has that name';
      throw new TFTError('ERR_TFT_OPTION', `series '${series}': ${hint}`);
    }
    if (Number.isInteger(series) && series >= 0 && series < batch) return series;
    const there = batch === 0 ? 'there is none' : `the series are 0 to ${batch - 1}`;
    throw new TFTError('ERR_TFT_OPTION', `series ${String(series)}: ${there}`);
  }

  #column(place: QuantilePlace): Float32Array {
    const [batch, horizon, width] = this.shape;
    const values = new Float32Array(batch * horizon);
    for (let step = 0; step < values.length; step++)
      values[step] = interpolate(this.data, step * width, place);
    return values;
  }
}
