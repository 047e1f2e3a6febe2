// A run's forecasts for a few named horizons. They are kept, so that past forecasts can be compared with the measurements.
import type { FinishedBatch } from './forecast-loop.js';
import type { FleetModel } from './memory/shape.js';
import type { StoredForecasts } from './store/store.js';

export class NamedHorizons {
  readonly #horizons: readonly number[];
  readonly #width: number;
  readonly #size: number;
  #step = Number.NaN;
  #places = 0;
  #values: Float32Array[] = [];

  /** @param horizons in steps. */
  constructor(horizons: readonly number[], model: Pick<FleetModel, 'horizon' | 'quantiles'>) {
    this.#horizons = horizons;
    this.#width = model.quantiles.length;
    this.#size = model.horizon * this.#width;
  }

  /** Takes a batch. @param places the number of all servers, whether in a batch or not. */
  take({ step, servers, modelValues }: FinishedBatch, places: number): void {
    if (step !== this.#step) {
      this.#step = step;
      this.#places = places;
      this.#values = this.#horizons.map(() => new Float32Array(places * this.#width).fill(Number.NaN));
    }
    for (const [index, horizon] of this.#horizons.entries()) {
      const values = this.#values[index] as Float32Array;
      for (let row = 0; row < servers.length; row++) {
        const place = servers[row] as number;
        if (place >= this.#places) continue;
        const from = row * this.#size + (horizon - 1) * this.#width;
        values.set(modelValues.subarray(from, from + this.#width), place * this.#width);
      }
    }
  }

  /** Returns what was taken for the last step, and clears it. */
  give(): StoredForecasts[] {
    const step = this.#step;
    const values = this.#values;
    this.#step = Number.NaN;
    this.#values = [];
    return values.map((each, index) => {
      const horizon = this.#horizons[index] as number;
      return { step: step + horizon, horizon, values: each };
    });
  }
}
