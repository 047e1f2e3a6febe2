// A slab is the memory of one batch: the inputs and outputs of up to `capacity` series, side by side in one ArrayBuffer,
// so that a batch changes threads by one transfer and without a copy.
import { type ModelTensors, type TensorSpec, type Values, viewValues } from '../contract/tensors.js';

/** Typed views of one batch's memory. They have length 0 after the buffer has been transferred. */
export class Slab {
  readonly buffer: ArrayBuffer;
  readonly capacity: number;
  readonly tensors: ModelTensors;
  /** In the order of the model's inputs. */
  readonly inputs: readonly Values[];
  /** In the order of the model's outputs: the predictions first. */
  readonly outputs: readonly Values[];

  constructor(tensors: ModelTensors, capacity: number, buffer?: ArrayBuffer) {
    const all = [...tensors.inputs, ...tensors.outputs];
    const bytes = all.reduce((sum, { size }) => sum + size * capacity * BYTES_PER_VALUE, 0);
    this.buffer = buffer ?? new ArrayBuffer(bytes);
    this.capacity = capacity;
    this.tensors = tensors;
    let offset = 0;
    const view = (tensor: TensorSpec) => {
      const values = viewValues(tensor, this.buffer, offset, tensor.size * capacity);
      offset += values.byteLength;
      return values;
    };
    this.inputs = tensors.inputs.map(view);
    this.outputs = tensors.outputs.map(view);
  }

  /** Views of the first `count` series. */
  views(count: number): { inputs: Values[]; outputs: Values[] } {
    const { inputs, outputs } = this.tensors;
    return {
      inputs: inputs.map(({ size }, index) => (this.inputs[index] as Values).subarray(0, count * size)),
      outputs: outputs.map(({ size }, index) => (this.outputs[index] as Values).subarray(0, count * size)),
    };
  }

  /** Removes the inputs of `count` series at `slot` from the first `filled`; the series behind move up. */
  remove(slot: number, count: number, filled: number): void {
    for (const [index, { size }] of this.tensors.inputs.entries()) {
      this.inputs[index]?.copyWithin(slot * size, (slot + count) * size, filled * size);
    }
  }
}

/** float32 and int32 alike. */
const BYTES_PER_VALUE = 4;

/** Creates slabs of one size and keeps a few returned ones for reuse. */
export class SlabPool {
  readonly #tensors: ModelTensors;
  readonly #capacity: number;
  readonly #kept: Slab[] = [];
  readonly #keep: number;

  constructor(tensors: ModelTensors, capacity: number, keep: number) {
    this.#tensors = tensors;
    this.#capacity = capacity;
    this.#keep = keep;
  }

  take(): Slab {
    return this.#kept.pop() ?? new Slab(this.#tensors, this.#capacity);
  }

  /** Returns a slab to the pool. Its contents do not matter. */
  give(slab: Slab): void {
    if (this.#kept.length < this.#keep) this.#kept.push(slab);
  }
}
