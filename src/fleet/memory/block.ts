// The history of up to 1,024 servers: a ring of steps for each. A server's values are contiguous, so that its window is copied
// in one piece or two; which of its steps were measured is stored by step, so that all windows are surveyed together.
import type { HistoryShape } from './shape.js';

/** With 16 numbers a server, a step of a block takes 64 KB: the fastest size for LMDB. */
export const BLOCK_SERVERS = 1024;

/** A server's step has none, some or all of the metrics. Only complete steps are read as history. */
export const ABSENT = 0;
const PARTIAL = 1;
export const COMPLETE = 2;

/** The outcome of one sample. */
export type SampleFate = 'kept' | 'merged' | 'repeated' | 'tooOld';

/** The largest number of moments in a step by which samples are distinguished. */
const MAX_MOMENTS = 320;
const SECOND = 1000;
const MAX_COUNTED = 65_535;

/** Maps steps to slots of the ring; the same for all blocks. */
export interface RingGeometry {
  readonly slots: number;
  /** The number of newest steps that can average further samples. */
  readonly recent: number;
}

export function ringGeometry({ window, maxGap }: HistoryShape): RingGeometry {
  // The open step and the two after it, which may begin before it closes.
  return { slots: window + maxGap + 3, recent: maxGap + 4 };
}

export class RingBlock {
  /** `[servers][slots][metrics]`, NaN where nothing was measured; anything in a step that is absent. */
  readonly #values: Float32Array;
  /** `[servers][slots][categories]` */
  readonly #codes: Uint16Array;
  /** `[slots][servers]`: ABSENT, PARTIAL or COMPLETE. */
  readonly presence: Uint8Array;
  /** `[recent][servers][metrics]`: the number of samples of which a value is the mean. */
  readonly #counts: Uint16Array;
  /** `[recent][servers][words]`: a bit for each moment of the step for which a record has arrived. */
  readonly #seen: Uint32Array;
  readonly #shape: HistoryShape;
  readonly #geometry: RingGeometry;
  readonly #moments: number;
  readonly #words: number;

  constructor(shape: HistoryShape, geometry: RingGeometry) {
    const { metrics, categories, stepMs } = shape;
    this.#shape = shape;
    this.#geometry = geometry;
    this.#moments = Math.max(1, Math.min(MAX_MOMENTS, Math.floor(stepMs / SECOND)));
    this.#words = Math.ceil(this.#moments / 32);
    const cells = geometry.slots * BLOCK_SERVERS;
    this.#values = new Float32Array(cells * metrics);
    this.#codes = new Uint16Array(cells * categories);
    this.presence = new Uint8Array(cells);
    const recentCells = geometry.recent * BLOCK_SERVERS;
    this.#counts = new Uint16Array(recentCells * metrics);
    this.#seen = new Uint32Array(recentCells * this.#words);
  }

  get bytes(): number {
    return [this.#values, this.#codes, this.presence, this.#counts, this.#seen].reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    );
  }

  /** Where a step of all servers begins in `presence`. */
  cell(step: number): number {
    return modulo(step, this.#geometry.slots) * BLOCK_SERVERS;
  }

  /** A value of a step that is not absent; NaN where it was not measured. */
  value(at: number, step: number, metric: number): number {
    return this.#values[this.#row(at, step) * this.#shape.metrics + metric] as number;
  }

  /**
   * Copies the steps from `from` to `to`, that one included, of which the ring holds all; those that were not measured hold
   * anything.
   *
   * @param row the first row of the targets, of a step each.
   */
  copySteps(
    at: number,
    from: number,
    to: number,
    values: Float32Array,
    codes: Float32Array | Int32Array,
    row: number,
  ): void {
    const { slots } = this.#geometry;
    // The ring may end among them.
    const ends = Math.min(to + 1, from + slots - modulo(from, slots));
    this.#copyRows(this.#row(at, from), ends - from, values, codes, row);
    if (ends <= to) this.#copyRows(at * slots, to + 1 - ends, values, codes, row + ends - from);
  }

  /** Copies a step of the first servers: NaN and 0 where it is absent. */
  copyStep(step: number, values: Float32Array, codes: Int32Array): void {
    const { metrics, categories } = this.#shape;
    const cell = this.cell(step);
    for (let at = 0; at * metrics < values.length; at++) {
      const row = this.#row(at, step);
      const isAbsent = this.presence[cell + at] === ABSENT;
      for (let metric = 0; metric < metrics; metric++) {
        values[at * metrics + metric] = isAbsent
          ? Number.NaN
          : (this.#values[row * metrics + metric] as number);
      }
      for (let category = 0; category < categories; category++) {
        codes[at * categories + category] = isAbsent
          ? 0
          : (this.#codes[row * categories + category] as number);
      }
    }
  }

  #copyRows(
    from: number,
    count: number,
    values: Float32Array,
    codes: Float32Array | Int32Array,
    row: number,
  ): void {
    const { metrics, categories } = this.#shape;
    values.set(this.#values.subarray(from * metrics, (from + count) * metrics), row * metrics);
    codes.set(this.#codes.subarray(from * categories, (from + count) * categories), row * categories);
  }

  /** The place of a server's step: multiply by metrics or categories. */
  #row(at: number, step: number): number {
    return at * this.#geometry.slots + modulo(step, this.#geometry.slots);
  }

  /**
   * Averages a sample into its step.
   *
   * @param at the server's place in the block.
   * @param values by metric; NaN for those missing in the sample.
   * @param isRecent whether the step is among the newest, whose samples are distinguished.
   * @param isRecord whether a second record of the same moment is a repetition. Sources that send the metrics of one moment one
   * by one detect repetitions themselves.
   */
  add(
    at: number,
    step: number,
    time: number,
    values: ArrayLike<number>,
    codes: ArrayLike<number>,
    isRecent: boolean,
    isRecord: boolean,
  ): SampleFate {
    const { metrics, categories } = this.#shape;
    const cell = this.cell(step) + at;
    const before = this.presence[cell] as number;
    if (!isRecent && before === COMPLETE) return 'tooOld';
    const recentCell = modulo(step, this.#geometry.recent) * BLOCK_SERVERS + at;
    if (isRecent && isRecord && this.#isRepeated(recentCell, step, time)) return 'repeated';
    const row = this.#row(at, step);
    let missing = 0;
    for (let metric = 0; metric < metrics; metric++) {
      const value = values[metric] as number;
      const to = row * metrics + metric;
      const old = before === ABSENT ? Number.NaN : (this.#values[to] as number);
      if (Number.isNaN(value)) {
        if (Number.isNaN(old)) missing++;
        this.#values[to] = old;
        continue;
      }
      const count = isRecent ? (this.#counts[recentCell * metrics + metric] as number) : 0;
      if (Number.isNaN(old) || count === 0) this.#values[to] = value;
      else this.#values[to] = old + (value - old) / (count + 1);
      if (isRecent && count < MAX_COUNTED) this.#counts[recentCell * metrics + metric] = count + 1;
    }
    for (let category = 0; category < categories; category++) {
      this.#codes[row * categories + category] = codes[category] as number;
    }
    this.presence[cell] = missing === 0 ? COMPLETE : PARTIAL;
    return before === ABSENT ? 'kept' : 'merged';
  }

  /**
   * Restores a step from the store. Samples of it that arrive again are repetitions. @returns whether the step has any value.
   */
  restore(
    at: number,
    step: number,
    values: ArrayLike<number>,
    codes: ArrayLike<number>,
    isRecent: boolean,
  ): boolean {
    const { metrics, categories } = this.#shape;
    let missing = 0;
    for (let metric = 0; metric < metrics; metric++) {
      if (Number.isNaN(values[metric])) missing++;
    }
    if (missing === metrics) return false;
    const row = this.#row(at, step);
    for (let metric = 0; metric < metrics; metric++) {
      this.#values[row * metrics + metric] = values[metric] as number;
    }
    for (let category = 0; category < categories; category++) {
      this.#codes[row * categories + category] = codes[category] as number;
    }
    this.presence[this.cell(step) + at] = missing === 0 ? COMPLETE : PARTIAL;
    if (!isRecent) return true;
    const recentCell = modulo(step, this.#geometry.recent) * BLOCK_SERVERS + at;
    this.#seen.fill(0xffff_ffff, recentCell * this.#words, (recentCell + 1) * this.#words);
    this.#counts.fill(1, recentCell * metrics, (recentCell + 1) * metrics);
    return true;
  }

  /** Clears the slot of a new step. */
  clear(step: number): void {
    const { metrics } = this.#shape;
    const from = this.cell(step);
    this.presence.fill(ABSENT, from, from + BLOCK_SERVERS);
    const recent = modulo(step, this.#geometry.recent) * BLOCK_SERVERS;
    this.#counts.fill(0, recent * metrics, (recent + BLOCK_SERVERS) * metrics);
    this.#seen.fill(0, recent * this.#words, (recent + BLOCK_SERVERS) * this.#words);
  }

  /** Clears one server, so that another can take its place. */
  forget(at: number): void {
    const { metrics } = this.#shape;
    for (let slot = 0; slot < this.#geometry.slots; slot++) {
      this.presence[slot * BLOCK_SERVERS + at] = ABSENT;
    }
    for (let slot = 0; slot < this.#geometry.recent; slot++) {
      const cell = slot * BLOCK_SERVERS + at;
      this.#counts.fill(0, cell * metrics, (cell + 1) * metrics);
      this.#seen.fill(0, cell * this.#words, (cell + 1) * this.#words);
    }
  }

  #isRepeated(recentCell: number, step: number, time: number): boolean {
    const { stepMs } = this.#shape;
    // Multiply before dividing: 97 of 300 seconds must not become 96.999.
    const passed = Math.floor(((time - (step - 0.5) * stepMs) * this.#moments) / stepMs);
    const moment = Math.min(this.#moments - 1, Math.max(0, passed));
    const word = recentCell * this.#words + (moment >> 5);
    const bit = 1 << (moment & 31);
    const seen = this.#seen[word] as number;
    if ((seen & bit) !== 0) return true;
    this.#seen[word] = seen | bit;
    return false;
  }
}

function modulo(value: number, by: number): number {
  const rest = value % by;
  return rest < 0 ? rest + by : rest;
}
