// Assembles a body from the chunks that arrive. It counts the memory in use, not the bytes sent: a chunk of one byte takes a
// Buffer of a hundred bytes, and may keep a whole buffer of its socket alive.
import type { Holding } from '../admission/budget.js';
import type { BodyMemory } from './body-memory.js';

/** Collects chunks in one block of memory, which grows as they arrive. */
export class Assembly {
  readonly #holding: Holding;
  readonly #memory: BodyMemory;
  readonly #aligned: number;
  /** The bytes before the first one, so that the byte at `aligned` is at a multiple of four. */
  readonly #shift: number;
  /** The only chunk so far, not copied. */
  #only: Buffer | undefined;
  #taken: ArrayBuffer | undefined;
  #held = 0;
  #length = 0;

  /** @param aligned the index of the byte that must be at a multiple of four in memory. */
  constructor(holding: Holding, memory: BodyMemory, aligned: number) {
    this.#holding = holding;
    this.#memory = memory;
    this.#aligned = aligned;
    this.#shift = (4 - (aligned % 4)) % 4;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws HttpError ERR_TFT_HTTP_OVERLOADED. */
  add(piece: Buffer): void {
    if (piece.length === 0) return;
    if (this.#length === 0 && this.#mayKeep(piece)) {
      this.#hold(piece.buffer.byteLength);
      this.#only = piece;
      this.#length = piece.length;
      return;
    }
    const needed = this.#shift + this.#length + piece.length;
    if (this.#taken === undefined || this.#taken.byteLength < needed) this.#grow(needed);
    piece.copy(this.#bytes(), this.#length);
    this.#length += piece.length;
  }

  /** The body. It must not be read after `release`. */
  get bytes(): Buffer {
    return this.#only ?? this.#bytes().subarray(0, this.#length);
  }

  release(): void {
    if (this.#taken) this.#memory.give(this.#taken);
    this.#only = undefined;
    this.#taken = undefined;
    this.#holding.give(this.#held);
    this.#held = 0;
    this.#length = 0;
  }

  /** Whether a body in one chunk can be used without a copy: it is aligned, and most of its memory is the body. */
  #mayKeep({ byteOffset, length, buffer }: Buffer): boolean {
    return (byteOffset + this.#aligned) % 4 === 0 && length * 2 >= buffer.byteLength;
  }

  #grow(needed: number): void {
    const before = this.bytes;
    const size = this.#memory.sizeFor(needed);
    const held = this.#held;
    this.#hold(size);
    const taken = this.#memory.take(size);
    before.copy(Buffer.from(taken, this.#shift));
    if (this.#taken) this.#memory.give(this.#taken);
    this.#only = undefined;
    this.#taken = taken;
    this.#holding.give(held);
    this.#held -= held;
  }

  #hold(bytes: number): void {
    this.#holding.take(bytes);
    this.#held += bytes;
  }

  #bytes(): Buffer {
    return this.#taken === undefined ? Buffer.alloc(0) : Buffer.from(this.#taken, this.#shift);
  }
}
