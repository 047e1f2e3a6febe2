// How long requests took: a histogram that costs a few additions a request.

/** The upper bounds of the buckets, in seconds. */
export const DURATION_BOUNDS = [
  0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
] as const;

/** Requests by how long they took. */
export interface DurationCounts {
  /** By bucket of {@link DURATION_BOUNDS}; the last is for what took longer than all. Not cumulative. */
  readonly counts: readonly number[];
  /** The sum of all. */
  readonly seconds: number;
}

export class Durations {
  readonly #counts = new Array<number>(DURATION_BOUNDS.length + 1).fill(0);
  #seconds = 0;

  add(milliseconds: number): void {
    const seconds = milliseconds / 1000;
    let bucket = 0;
    while (bucket < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#seconds += seconds;
  }

  get totals(): DurationCounts {
    return { counts: [...this.#counts], seconds: this.#seconds };
  }
}
