// The forecast of one series: its quantiles, and its name and times where it came from a history.
import type { Explanation } from './explanation.js';
import { interpolate, placeOf, type QuantilePlace, shortest } from './quantiles.js';

const MINUTE = 60_000;

/** The parts of a {@link SeriesForecast}. */
export interface SeriesParts {
  readonly server?: string | undefined;
  readonly start?: Date | undefined;
  readonly stepMinutes?: number | undefined;
  readonly quantiles: readonly number[];
  readonly values: Float32Array;
  /** Reads what the forecast rests on, of a model that explains. */
  readonly explain?: (() => Explanation) | undefined;
}

/** One series of a {@link Forecast}. */
export class SeriesForecast {
  /** Its name, where the forecast came from a history. */
  readonly server: string | undefined;
  /** The time of the first step, where the forecast came from a history. */
  readonly start: Date | undefined;
  readonly stepMinutes: number | undefined;
  /** The model's quantiles, increasing. */
  readonly quantiles: readonly number[];
  /** `[horizon, quantiles]`, row-major: a view of the forecast's data. */
  readonly values: Float32Array;
  readonly #explain: (() => Explanation) | undefined;

  /** @internal */
  constructor({ server, start, stepMinutes, quantiles, values, explain }: SeriesParts) {
    this.server = server;
    this.start = start;
    this.stepMinutes = stepMinutes;
    this.quantiles = quantiles;
    this.values = values;
    this.#explain = explain;
  }

  /** What the forecast rests on; undefined of a model that was loaded without `explain`. */
  get explanation(): Explanation | undefined {
    return this.#explain?.();
  }

  /** The number of steps. */
  get horizon(): number {
    return this.values.length / this.quantiles.length;
  }

  /** The time of each step; undefined where no history said when. */
  get times(): Date[] | undefined {
    const { start, stepMinutes, horizon } = this;
    if (start === undefined || stepMinutes === undefined) return undefined;
    return Array.from(
      { length: horizon },
      (_, step) => new Date(start.getTime() + step * stepMinutes * MINUTE),
    );
  }

  /**
   * One quantile of all steps, copied out: `[horizon]`. Interpolated as {@link Forecast.quantile} does it.
   *
   * @throws TFTError ERR_TFT_OPTION for one beyond the model's.
   */
  quantile(q: number): Float32Array {
    return this.#column(placeOf(this.quantiles, q));
  }

  /** The central band that holds a share of the outcomes, each side `[horizon]`. @throws TFTError ERR_TFT_OPTION. */
  band(share: number): { low: Float32Array; high: Float32Array } {
    return { low: this.quantile((1 - share) / 2), high: this.quantile((1 + share) / 2) };
  }

  /** The fields of the JSON other than the values: name, times, quantiles, and the explanation if there is one. */
  describe(): Record<string, unknown> {
    const { server, start, stepMinutes, times, quantiles, explanation } = this;
    return { server, start, stepMinutes, times, quantiles, explanation };
  }

  /** Name, times, quantiles, and `values` as [steps][quantiles], each with the fewest digits that are the same float32. */
  toJSON(): Record<string, unknown> {
    const width = this.quantiles.length;
    const values = Array.from({ length: this.horizon }, (_, step) =>
      Array.from(this.values.subarray(step * width, (step + 1) * width), shortest),
    );
    return { ...this.describe(), values };
  }

  #column(place: QuantilePlace): Float32Array {
    const width = this.quantiles.length;
    return Float32Array.from({ length: this.horizon }, (_, step) =>
      interpolate(this.values, step * width, place),
    );
  }
}
