// Sums of losses by machine, from which a table's figures and their intervals are computed. There is a tally for all windows,
// for each named horizon and for each regime.
import { gainInterval, gainOf } from './bootstrap.js';

/** One machine's sums. */
class MachineSums {
  windows = 0;
  /** Measured steps. */
  steps = 0;
  readonly losses: Float64Array;
  readonly held: Float64Array;

  constructor(forecasts: number) {
    this.losses = new Float64Array(forecasts);
    this.held = new Float64Array(forecasts);
  }
}

/** One forecast in a tally. */
export interface TallyRow {
  /** The mean over measured steps and quantiles, in the target's unit. */
  readonly pinball: number;
  /** The share of the best naive forecast's loss that it saves; null if that loss is 0. */
  readonly gain: number | null;
  /** The 95 % interval of `gain` by bootstrap over machines; null for fewer than 3. */
  readonly interval: readonly [number, number] | null;
  /** The share of measurements within the band from the quantile 0.1 to 0.9; null for a model without these. */
  readonly coverage80: number | null;
}

/** The competing forecasts: number 0 is the model, `naive` are the positions of the naive ones. */
export interface Competitors {
  readonly count: number;
  readonly naive: readonly number[];
}

export class Tally {
  readonly #competitors: Competitors;
  readonly #machines = new Map<string, MachineSums>();

  constructor(competitors: Competitors) {
    this.#competitors = competitors;
  }

  get windows(): number {
    return this.#total((sums) => sums.windows);
  }

  /** In the order of their names, which the bootstrap draws by. */
  get machines(): readonly string[] {
    return [...this.#machines.keys()].sort();
  }

  /** Counts a window; its steps are added one by one. */
  window(machine: string): void {
    this.#sums(machine).windows++;
  }

  /** @param losses and @param held by forecast, summed over `steps` measured steps. */
  add(machine: string, steps: number, losses: ArrayLike<number>, held: ArrayLike<number>): void {
    const sums = this.#sums(machine);
    sums.steps += steps;
    for (let index = 0; index < this.#competitors.count; index++) {
      sums.losses[index] = (sums.losses[index] as number) + (losses[index] as number);
      sums.held[index] = (sums.held[index] as number) + (held[index] as number);
    }
  }

  /** The position of the naive forecast with the least loss over everything tallied. */
  get bestNaive(): number {
    return this.#least((index) => this.#total((sums) => sums.losses[index] as number));
  }

  bestNaiveOf(machine: string): number {
    return this.#least((index) => this.#sums(machine).losses[index] as number);
  }

  /** @param banded whether `held` was counted. */
  row(forecast: number, banded: boolean): TallyRow {
    const steps = this.#total((sums) => sums.steps);
    const naive = this.bestNaive;
    const pairs = this.machines.map((machine) => {
      const { losses } = this.#sums(machine);
      return { model: losses[forecast] as number, naive: losses[naive] as number };
    });
    return {
      pinball: this.#total((sums) => sums.losses[forecast] as number) / steps,
      gain: gainOf(pairs),
      interval: gainInterval(pairs),
      coverage80: banded ? this.#total((sums) => sums.held[forecast] as number) / steps : null,
    };
  }

  /** The number of machines on which a forecast loses less than the best naive one. */
  won(forecast: number): number {
    const naive = this.bestNaive;
    return [...this.#machines.values()].filter(
      ({ losses }) => (losses[forecast] as number) < (losses[naive] as number),
    ).length;
  }

  /** The mean loss of a forecast on one machine. */
  pinballOf(machine: string, forecast: number): number {
    const { losses, steps } = this.#sums(machine);
    return (losses[forecast] as number) / steps;
  }

  windowsOf(machine: string): number {
    return this.#sums(machine).windows;
  }

  #least(lossOf: (index: number) => number): number {
    return this.#competitors.naive.reduce((best, index) => (lossOf(index) < lossOf(best) ? index : best));
  }

  #total(of: (sums: MachineSums) => number): number {
    let total = 0;
    for (const sums of this.#machines.values()) total += of(sums);
    return total;
  }

  #sums(machine: string): MachineSums {
    let sums = this.#machines.get(machine);
    if (sums === undefined) {
      sums = new MachineSums(this.#competitors.count);
      this.#machines.set(machine, sums);
    }
    return sums;
  }
}
