// Chooses the forecast for a series: the model's or a naive one, by their losses on earlier windows. There is no look-ahead:
// at a forecast's origin, only windows whose whole horizon was measured by then count.

interface Scored {
  readonly origin: number;
  readonly losses: readonly number[];
}

export interface ChoiceShape {
  readonly horizon: number;
  /** Steps of a day: a naive forecast can be chosen once the judged origins span a day. */
  readonly day: number;
}

/** One series' choice among forecasts; number 0 is the model. */
export class Choice {
  readonly #shape: ChoiceShape;
  /** Scored windows whose horizon ends after the newest origin of `at`. */
  #waiting: Scored[] = [];
  #sums: number[] = [];
  #first: number | undefined;
  #last = Number.NEGATIVE_INFINITY;

  constructor(shape: ChoiceShape) {
    this.#shape = shape;
  }

  /**
   * Records the losses of the window that begins at an origin. Origins must increase.
   *
   * @param losses the mean loss of each forecast over the window.
   */
  scored(origin: number, losses: readonly number[]): void {
    this.#waiting.push({ origin, losses });
  }

  /** The forecast with the least loss on windows that end before this origin; 0 until these span a day, and for a tie. */
  at(origin: number): number {
    const { horizon, day } = this.#shape;
    let taken = 0;
    for (const { origin: earlier, losses } of this.#waiting) {
      if (earlier + horizon > origin) break;
      this.#sums = losses.map((loss, index) => (this.#sums[index] ?? 0) + loss);
      this.#first ??= earlier;
      this.#last = earlier;
      taken++;
    }
    if (taken > 0) this.#waiting = this.#waiting.slice(taken);
    if (this.#first === undefined || this.#last - this.#first < day) return 0;
    let best = 0;
    for (const [index, sum] of this.#sums.entries()) if (sum < (this.#sums[best] as number)) best = index;
    return best;
  }
}
