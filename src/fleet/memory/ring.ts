// The history of all servers in memory: the steps that the model reads, and before them as many as the longest gap that is
// filled.
import { BLOCK_SERVERS, RingBlock, type RingGeometry, ringGeometry, type SampleFate } from './block.js';
import type { HistoryShape } from './shape.js';

/**
 * A ring of steps for every server. One step is open: it and the two after it take samples as they arrive; those before it take
 * late ones. About 17 kB a server for the default model.
 */
export class FleetRing {
  readonly shape: HistoryShape;
  readonly #geometry: RingGeometry;
  readonly #blocks: RingBlock[] = [];
  #open: number;

  /** @param open the step that is open at first. */
  constructor(shape: HistoryShape, open: number) {
    this.shape = shape;
    this.#geometry = ringGeometry(shape);
    this.#open = open;
  }

  get open(): number {
    return this.#open;
  }

  /** The oldest step that is held. */
  get oldest(): number {
    return this.#open + 3 - this.#geometry.slots;
  }

  /** The newest step that takes samples. */
  get newest(): number {
    return this.#open + 2;
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A server's block, and its place in the block. */
  block(server: number): RingBlock {
    const index = Math.floor(server / BLOCK_SERVERS);
    while (this.#blocks.length <= index) this.#blocks.push(new RingBlock(this.shape, this.#geometry));
    return this.#blocks[index] as RingBlock;
  }

  /** Averages a sample into its step, which must be between `oldest` and `newest`. See {@link RingBlock.add}. */
  add(
    server: number,
    step: number,
    time: number,
    values: ArrayLike<number>,
    codes: ArrayLike<number>,
    isRecord: boolean,
  ): SampleFate {
    if (step < this.oldest) return 'tooOld';
    const at = server % BLOCK_SERVERS;
    return this.block(server).add(at, step, time, values, codes, this.#isRecent(step), isRecord);
  }

  /** Restores a server's step from the store. @returns whether the step has any value. */
  restore(server: number, step: number, values: ArrayLike<number>, codes: ArrayLike<number>): boolean {
    if (step < this.oldest || step > this.newest) return false;
    return this.block(server).restore(server % BLOCK_SERVERS, step, values, codes, this.#isRecent(step));
  }

  /** Opens a later step. Steps that leave the ring are dropped. */
  advance(open: number): void {
    const first = Math.max(this.#open + 1, open - this.#geometry.slots + 1);
    for (let step = first; step <= open; step++) {
      for (const block of this.#blocks) block.clear(step + 2);
    }
    this.#open = Math.max(open, this.#open);
  }

  /** Goes back to an earlier step after the clock was wrong. Later steps are dropped. */
  rewind(open: number): void {
    const last = Math.min(this.newest, open + 2 + this.#geometry.slots);
    for (let step = open + 3; step <= last; step++) {
      for (const block of this.#blocks) block.clear(step);
    }
    this.#open = Math.min(open, this.#open);
  }

  forget(server: number): void {
    this.block(server).forget(server % BLOCK_SERVERS);
  }

  /** One step of the servers before `count`, NaN and 0 where it is absent: `[count][metrics]` and `[count][categories]`. */
  copyStep(step: number, count: number): { values: Float32Array; codes: Int32Array } {
    const { metrics, categories } = this.shape;
    const values = new Float32Array(count * metrics);
    const codes = new Int32Array(count * categories);
    for (let from = 0; from < count; from += BLOCK_SERVERS) {
      const servers = Math.min(BLOCK_SERVERS, count - from);
      this.block(from).copyStep(
        step,
        values.subarray(from * metrics, (from + servers) * metrics),
        codes.subarray(from * categories, (from + servers) * categories),
      );
    }
    return { values, codes };
  }

  #isRecent(step: number): boolean {
    return step > this.newest - this.#geometry.recent;
  }
}
