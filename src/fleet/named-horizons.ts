// Of a run's forecasts, those for a few named horizons: they are kept, so that past forecasts can be held against what came.
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

  /** Takes a batch. @param places how many servers there are, in no batch or in one. */
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

  /** What was taken of the last step, which is forgotten here. */
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
