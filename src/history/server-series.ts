// The newest rows of one server on the model's grid. A ring buffer holds exactly the steps that a window can still use, so
// rows may come in any order and memory does not grow with the history.

/** The sizes of a server's ring buffer. */
export interface SeriesShape {
  /** The number of steps of a window. */
  readonly window: number;
  /** The fewest of them that are enough. */
  readonly shortest: number;
  /** The largest number of consecutive missing steps that are filled. */
  readonly maxGap: number;
  readonly metrics: number;
  readonly categories: number;
}

/** What happened to an added row. */
export type RowFate =
  | 'kept'
  /** Equal to a row that is there. */
  | 'repeated'
  /** Replaced a different row of the very same time. */
  | 'conflicting'
  /** Shares its step with a row of another time; their metrics are averaged, the categories are the later one's. */
  | 'merged'
  /** Older than anything that a window can use. */
  | 'old';

/** A run of missing steps that takes the values of the row before it. */
export interface SeriesGap {
  readonly first: number;
  readonly steps: number;
}

/** Whether a window that ends at a given step can be made, and if not, why. */
export type Coverage =
  | { readonly kind: 'complete'; readonly gaps: readonly SeriesGap[]; readonly steps: number }
  /** No row at or before the end. */
  | { readonly kind: 'none' }
  /** The newest row is too long before the end. */
  | { readonly kind: 'stale'; readonly newest: number }
  /** Rows begin too late. */
  | { readonly kind: 'short'; readonly oldest: number }
  /** A gap that is too long to fill. */
  | { readonly kind: 'broken'; readonly gap: SeriesGap }
  /** Newer rows have replaced the needed ones. */
  | { readonly kind: 'displaced' };

/** The memory that one series takes, in bytes. */
export function bytesOf({ window, maxGap, metrics, categories }: SeriesShape): number {
  return (window + maxGap) * (16 + 4 * (metrics + categories));
}

export class ServerSeries {
  readonly #shape: SeriesShape;
  readonly #capacity: number;
  readonly #steps: Float64Array;
  readonly #times: Float64Array;
  readonly #metrics: Float32Array;
  readonly #codes: Int32Array;
  /** Of the other rows that share a step with the latest, which is in #metrics; made when there are any. */
  #others: { readonly sums: Float64Array; readonly counts: Uint32Array } | undefined;
  #newest = Number.NEGATIVE_INFINITY;
  /** The newest step whose row was dropped or overwritten. */
  #lost = Number.NEGATIVE_INFINITY;

  constructor(shape: SeriesShape) {
    this.#shape = shape;
    this.#capacity = shape.window + shape.maxGap;
    this.#steps = new Float64Array(this.#capacity).fill(Number.NaN);
    this.#times = new Float64Array(this.#capacity);
    this.#metrics = new Float32Array(this.#capacity * shape.metrics);
    this.#codes = new Int32Array(this.#capacity * shape.categories);
  }

  /** The newest step that has a row; minus infinity when there is none. */
  get newest(): number {
    return this.#newest;
  }

  /** The metrics of the newest step, copied; there must be one. */
  newestMetrics(): Float32Array {
    const metrics = new Float32Array(this.#shape.metrics);
    this.#copyMean(this.#position(this.#newest), metrics, 0);
    return metrics;
  }

  /** Stores a row at its step. Both arrays are copied. */
  add(step: number, time: number, metrics: ArrayLike<number>, codes: ArrayLike<number>): RowFate {
    if (step <= this.#newest - this.#capacity) {
      this.#lost = Math.max(this.#lost, step);
      return 'old';
    }
    const at = this.#position(step);
    let fate: RowFate = 'kept';
    // The entry at this index is this step or an older one: a newer one would be a whole ring ahead.
    if (this.#steps[at] === step) {
      if (this.#times[at] !== time) {
        fate = 'merged';
        if ((this.#times[at] as number) > time) {
          this.#addOther(at, metrics);
          return fate;
        }
        const width = this.#shape.metrics;
        this.#addOther(at, this.#metrics.subarray(at * width, (at + 1) * width));
      } else {
        fate = this.#equals(at, metrics, codes) ? 'repeated' : 'conflicting';
      }
    } else {
      if (!Number.isNaN(this.#steps[at])) this.#lost = Math.max(this.#lost, this.#steps[at] as number);
      this.#forgetOthers(at);
    }
    this.#steps[at] = step;
    this.#times[at] = time;
    this.#metrics.set(metrics, at * this.#shape.metrics);
    this.#codes.set(codes, at * this.#shape.categories);
    if (step > this.#newest) this.#newest = step;
    return fate;
  }

  /** Checks, without copying, whether there are enough of the window's steps up to and including `end`. */
  coverage(end: number): Coverage {
    const { window, maxGap, shortest } = this.#shape;
    const begin = end - window + 1;
    const gaps: SeriesGap[] = [];
    let reached = end + 1;
    const complete = () => {
      const steps = Math.min(window, end - reached + 1);
      return { kind: 'complete', gaps: gaps.reverse(), steps } as const;
    };
    for (let step = Math.min(end, this.#newest); step > this.#newest - this.#capacity; step--) {
      if (!this.#has(step)) continue;
      const missing = reached - step - 1;
      if (missing > maxGap) {
        if (reached === end + 1) return { kind: 'stale', newest: step };
        if (end - reached + 1 >= shortest) return complete();
        return { kind: 'broken', gap: { first: step + 1, steps: missing } };
      }
      if (missing > 0) {
        const first = Math.max(step + 1, begin);
        gaps.push({ first, steps: reached - first });
      }
      reached = step;
      if (reached <= begin) return complete();
    }
    // All steps between the newest row out of reach and the oldest row in reach are missing.
    const before = this.#newestBeyondReach();
    if (reached === end + 1) return { kind: before === Number.NEGATIVE_INFINITY ? 'none' : 'displaced' };
    const gap = { first: before + 1, steps: reached - before - 1 };
    if (gap.steps <= maxGap) return { kind: 'displaced' };
    if (end - reached + 1 >= shortest) return complete();
    return before === Number.NEGATIVE_INFINITY ? { kind: 'short', oldest: reached } : { kind: 'broken', gap };
  }

  /**
   * Copies the last `steps` of the window that ends at `end`, as its coverage has them. A missing step takes the row before
   * it; what is before them is left as it is.
   */
  copy(end: number, steps: number, metrics: Float32Array, codes: Int32Array): void {
    const { window, maxGap, metrics: width, categories } = this.#shape;
    const begin = end - steps + 1;
    let source = -1;
    for (let step = begin - maxGap; step <= end; step++) {
      if (this.#has(step)) source = this.#position(step);
      if (step < begin) continue;
      const row = step - begin + window - steps;
      this.#copyMean(source, metrics, row * width);
      codes.set(this.#codes.subarray(source * categories, (source + 1) * categories), row * categories);
    }
  }

  #addOther(at: number, metrics: ArrayLike<number>): void {
    const { metrics: width } = this.#shape;
    this.#others ??= {
      sums: new Float64Array(this.#capacity * width),
      counts: new Uint32Array(this.#capacity),
    };
    const { sums, counts } = this.#others;
    for (let index = 0; index < width; index++) {
      sums[at * width + index] = (sums[at * width + index] as number) + (metrics[index] as number);
    }
    counts[at] = (counts[at] as number) + 1;
  }

  #forgetOthers(at: number): void {
    const { metrics: width } = this.#shape;
    this.#others?.sums.fill(0, at * width, (at + 1) * width);
    this.#others?.counts.fill(0, at, at + 1);
  }

  #copyMean(at: number, out: Float32Array, to: number): void {
    const { metrics: width } = this.#shape;
    const count = this.#others?.counts[at] ?? 0;
    for (let index = 0; index < width; index++) {
      const latest = this.#metrics[at * width + index] as number;
      const sum = this.#others?.sums[at * width + index] ?? 0;
      out[to + index] = count === 0 ? latest : (sum + latest) / (count + 1);
    }
  }

  #newestBeyondReach(): number {
    let newest = this.#lost;
    for (const step of this.#steps) {
      if (step <= this.#newest - this.#capacity && step > newest) newest = step;
    }
    return newest;
  }

  #position(step: number): number {
    const rest = step % this.#capacity;
    return rest < 0 ? rest + this.#capacity : rest;
  }

  #has(step: number): boolean {
    return this.#steps[this.#position(step)] === step;
  }

  #equals(at: number, metrics: ArrayLike<number>, codes: ArrayLike<number>): boolean {
    const { metrics: width, categories } = this.#shape;
    for (let index = 0; index < width; index++) {
      if (this.#metrics[at * width + index] !== Math.fround(metrics[index] as number)) return false;
    }
    for (let index = 0; index < categories; index++) {
      if (this.#codes[at * categories + index] !== codes[index]) return false;
    }
    return true;
  }
}
