// A slab is the memory of one batch: the four inputs and the result of up to `capacity` servers, side by side
// in one ArrayBuffer, so that a batch changes threads by one transfer and without a copy.
import type { ModelDescription } from '../contract/model.js';

/** How many values one server has in each tensor. */
export interface ServerSizes {
  readonly encoderCont: number;
  readonly encoderCat: number;
  readonly decoderCont: number;
  readonly decoderCat: number;
  readonly predictions: number;
}

/** The sizes that a model's description implies. */
export function serverSizes(model: ModelDescription): ServerSizes {
  return {
    encoderCont: model.encoderLength * model.metrics.length,
    encoderCat: model.encoderLength * model.categories.length,
    decoderCont: model.horizon * model.known.length,
    decoderCat: model.horizon * model.categories.length,
    predictions: model.horizon * model.quantiles.length,
  };
}

const INPUTS = ['encoderCont', 'encoderCat', 'decoderCont', 'decoderCat'] as const;

/** Typed views of one batch's memory; they are dead once the buffer has been transferred. */
export class Slab {
  readonly buffer: ArrayBuffer;
  readonly capacity: number;
  readonly sizes: ServerSizes;
  readonly encoderCont: Float32Array<ArrayBuffer>;
  readonly encoderCat: Int32Array<ArrayBuffer>;
  readonly decoderCont: Float32Array<ArrayBuffer>;
  readonly decoderCat: Int32Array<ArrayBuffer>;
  readonly predictions: Float32Array<ArrayBuffer>;

  constructor(sizes: ServerSizes, capacity: number, buffer?: ArrayBuffer) {
    const starts: number[] = [];
    let bytes = 0;
    for (const size of [
      sizes.encoderCont,
      sizes.encoderCat,
      sizes.decoderCont,
      sizes.decoderCat,
      sizes.predictions,
    ]) {
      starts.push(bytes);
      bytes += size * capacity * Float32Array.BYTES_PER_ELEMENT;
    }
    const [encoderCont, encoderCat, decoderCont, decoderCat, predictions] = starts;
    this.buffer = buffer ?? new ArrayBuffer(bytes);
    this.capacity = capacity;
    this.sizes = sizes;
    this.encoderCont = new Float32Array(this.buffer, encoderCont, sizes.encoderCont * capacity);
    this.encoderCat = new Int32Array(this.buffer, encoderCat, sizes.encoderCat * capacity);
    this.decoderCont = new Float32Array(this.buffer, decoderCont, sizes.decoderCont * capacity);
    this.decoderCat = new Int32Array(this.buffer, decoderCat, sizes.decoderCat * capacity);
    this.predictions = new Float32Array(this.buffer, predictions, sizes.predictions * capacity);
  }

  /** Views of the first `count` servers. */
  views(count: number) {
    const { sizes } = this;
    return {
      encoderCont: this.encoderCont.subarray(0, count * sizes.encoderCont),
      encoderCat: this.encoderCat.subarray(0, count * sizes.encoderCat),
      decoderCont: this.decoderCont.subarray(0, count * sizes.decoderCont),
      decoderCat: this.decoderCat.subarray(0, count * sizes.decoderCat),
      predictions: this.predictions.subarray(0, count * sizes.predictions),
    };
  }

  /** Takes the inputs of `count` servers from `slot` on out of the first `filled`: those behind move up. */
  remove(slot: number, count: number, filled: number): void {
    for (const name of INPUTS) {
      const size = this.sizes[name];
      this[name].copyWithin(slot * size, (slot + count) * size, filled * size);
    }
  }
}

/** Hands out slabs of one size and keeps a few returned ones for reuse. */
export class SlabPool {
  readonly #sizes: ServerSizes;
  readonly #capacity: number;
  readonly #kept: Slab[] = [];
  readonly #keep: number;

  constructor(sizes: ServerSizes, capacity: number, keep: number) {
    this.#sizes = sizes;
    this.#capacity = capacity;
    this.#keep = keep;
  }

  take(): Slab {
    return this.#kept.pop() ?? new Slab(this.#sizes, this.#capacity);
  }

  /** Takes a slab back, whatever it holds. */
  give(slab: Slab): void {
    if (this.#kept.length < this.#keep) this.#kept.push(slab);
  }
}
