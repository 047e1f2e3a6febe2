// The naive forecasts of a series that grows by one value at a time: the same numbers as naiveForecasts, without sorting a
// week of errors for every forecast. The values of each quantile are kept sorted; a new value inserts one element and
// removes one.
import { DAYS_OF_ERRORS, NAIVE_NAMES, type NaiveShape, pastSteps } from './naive.js';
import { quantileOfSorted } from './quantile.js';

/** Sorted numbers; a new number replaces the oldest if the set is full. */
class SortedWindow {
  readonly #values: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(Math.max(0, capacity));
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#values.length;
  }

  insert(value: number): void {
    const at = this.#find(value);
    this.#values.copyWithin(at + 1, at, this.#count);
    this.#values[at] = value;
    this.#count++;
  }

  /** Removes a value, which must be in the set. */
  remove(value: number): void {
    const at = this.#find(value);
    this.#values.copyWithin(at, at + 1, this.#count);
    this.#count--;
  }

  quantile(q: number): number {
    return this.#count === 0 ? 0 : quantileOfSorted(this.#values, q, this.#count);
  }

  /** The first index whose value is not smaller. */
  #find(value: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#values[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The changes over a lag among the newest values of a series, sorted. */
class SortedChanges {
  readonly #lag: number;
  readonly #sorted: SortedWindow;

  /** @param length of how many of the newest values. */
  constructor(lag: number, length: number) {
    this.#lag = lag;
    this.#sorted = new SortedWindow(length - lag);
  }

  get count(): number {
    return this.#sorted.count;
  }

  /** @param values the series, the new value among them; @param end its index. */
  grow(values: Tape, end: number): void {
    if (end < this.#lag) return;
    if (this.#sorted.isFull) {
      const left = end - this.#sorted.count;
      if (this.#sorted.count === 0) return;
      this.#sorted.remove(values.at(left) - values.at(left - this.#lag));
    }
    this.#sorted.insert(values.at(end) - values.at(end - this.#lag));
  }

  quantile(q: number): number {
    return this.#sorted.quantile(q);
  }
}

/** The newest values of a series, by their index from its beginning. */
class Tape {
  readonly #values: Float64Array;
  #length = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    this.#values[this.#length % this.#values.length] = value;
    this.#length++;
  }

  at(index: number): number {
    return this.#values[index % this.#values.length] as number;
  }

  /** The newest values, oldest first. */
  newest(count: number): Float64Array {
    const length = Math.min(count, this.#length, this.#values.length);
    return Float64Array.from({ length }, (_, index) => this.at(this.#length - length + index));
  }
}

/** One series and its naive forecasts. For the default model's sizes it takes 2 MB and 0.1 ms a value. */
export class RollingNaive {
  readonly #shape: NaiveShape;
  readonly #tape: Tape;
  readonly #window: SortedWindow;
  /** Changes over 1, 2 … steps: of the past week, and of the encoder window. */
  readonly #week: SortedChanges[];
  readonly #day: SortedChanges[];
  readonly #daily: SortedChanges;

  constructor(shape: NaiveShape) {
    this.#shape = shape;
    const { horizon, encoder, day } = shape;
    const week = DAYS_OF_ERRORS * day + horizon;
    this.#tape = new Tape(pastSteps(shape) + 1);
    this.#window = new SortedWindow(encoder);
    this.#week = changesUpTo(horizon, week);
    this.#day = changesUpTo(Math.min(horizon, encoder - 1), encoder);
    this.#daily = new SortedChanges(day, (DAYS_OF_ERRORS + 1) * day);
  }

  /** The number of values pushed. */
  get length(): number {
    return this.#tape.length;
  }

  /** The newest values, oldest first; as many as {@link pastSteps} are kept. */
  past(count: number): Float64Array {
    return this.#tape.newest(count);
  }

  push(value: number): void {
    const end = this.#tape.length;
    this.#tape.push(value);
    if (this.#window.isFull) this.#window.remove(this.#tape.at(end - this.#shape.encoder));
    this.#window.insert(value);
    for (const changes of this.#week) changes.grow(this.#tape, end);
    for (const changes of this.#day) changes.grow(this.#tape, end);
    this.#daily.grow(this.#tape, end);
  }

  /** The result of `naiveForecasts` for the pushed values. */
  forecasts(): Float64Array[] {
    const { horizon, day, quantiles, range } = this.#shape;
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = range;
    const width = quantiles.length;
    const results = NAIVE_NAMES.map(() => new Float64Array(horizon * width));
    const [byLast, byDay, byWindow, byChange] = results as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const newest = this.#tape.length - 1;
    const last = this.#tape.at(newest);
    const daily = quantiles.map((q) => this.#daily.quantile(q));
    const window = quantiles.map((q) => this.#window.quantile(q));
    const within = (value: number) => Math.min(maximum, Math.max(minimum, value));
    for (let step = 1; step <= horizon; step++) {
      const weekly = longest(this.#week, step);
      const changes = longest(this.#day, step);
      const before = newest + step - Math.ceil(step / day) * day;
      const yesterday = before < 0 ? undefined : this.#tape.at(before);
      for (let index = 0; index < width; index++) {
        const at = (step - 1) * width + index;
        const q = quantiles[index] as number;
        byLast[at] = within(last + (weekly?.quantile(q) ?? 0));
        byDay[at] =
          yesterday === undefined ? (byLast[at] as number) : within(yesterday + (daily[index] as number));
        byWindow[at] = within(window[index] as number);
        byChange[at] = within(last + (changes?.quantile(q) ?? 0));
      }
    }
    return results;
  }
}

function changesUpTo(lags: number, length: number): SortedChanges[] {
  return Array.from({ length: lags }, (_, index) => new SortedChanges(index + 1, length));
}

/** The changes over `steps` steps, or over the largest lag that the series has changes for. */
function longest(byLag: readonly SortedChanges[], steps: number): SortedChanges | undefined {
  for (let lag = Math.min(steps, byLag.length); lag > 0; lag--) {
    const changes = byLag[lag - 1] as SortedChanges;
    if (changes.count > 0) return changes;
  }
  return undefined;
}
