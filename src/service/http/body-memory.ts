// Reuses the memory of request bodies. A body is needed for less than a millisecond, but memory that is allocated for each
// body is only freed by full garbage collections, which would then delay requests.

/** Smaller bodies get memory of this size. */
const MIN_BYTES = 32 * 1024;

/** Provides memory and keeps returned memory for reuse, up to a limit. */
export class BodyMemory {
  readonly #most: number;
  readonly #kept = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  /** @param most the number of bytes to keep. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The size of the memory that `take(bytes)` returns. */
  sizeFor(bytes: number): number {
    return Math.max(MIN_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
  }

  /** Returns memory of at least `bytes` bytes with undefined content. */
  take(bytes: number): ArrayBuffer {
    const size = this.sizeFor(bytes);
    const kept = this.#kept.get(size)?.pop();
    if (kept === undefined) return new ArrayBuffer(size);
    this.#keptBytes -= size;
    return kept;
  }

  /** Returns unused memory to the pool. */
  give(memory: ArrayBuffer): void {
    const size = memory.byteLength;
    if (this.#keptBytes + size > this.#most) return;
    this.#keptBytes += size;
    const kept = this.#kept.get(size);
    if (kept) kept.push(memory);
    else this.#kept.set(size, [memory]);
  }
}
