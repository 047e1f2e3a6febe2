// A sample of windows out of any number, each with the same chance to be in it, in memory for the sample alone: what
// INT8 variants of a model are calibrated on.
//
// Reservoir sampling: of the n-th window, a place among the first n is drawn; it is kept if the reservoir has that
// place (algorithm R in J. S. Vitter, Random sampling with a reservoir, 1985).

import { TFTError } from '../contract/errors.js';
import { type ForecastInputs, inputsOf, sliceInputs, valuesOf } from '../contract/inputs.js';
import { emptyValues, inputTensors, type SizedModel, type TensorSpec } from '../contract/tensors.js';

export interface ReservoirOptions {
  /** The most windows that are kept; 512. */
  windows?: number | undefined;
  /** The same windows in the same order with the same seed give the same sample; 1. */
  seed?: number | undefined;
}

const WINDOWS = 512;
const MAX_WINDOWS = 65_536;

/** Takes windows as they come, and keeps a sample of them. Nothing in it says which server or time one is of. */
export class CalibrationReservoir {
  readonly capacity: number;
  readonly seed: number;
  readonly #model: SizedModel;
  readonly #tensors: readonly TensorSpec[];
  readonly #random: () => number;
  /** Grows until the reservoir is full. */
  readonly #kept: ForecastInputs[] = [];
  #seen = 0;

  /** @throws TFTError ERR_TFT_OPTION. */
  constructor(model: SizedModel, { windows = WINDOWS, seed = 1 }: ReservoirOptions = {}) {
    if (!Number.isInteger(windows) || windows < 1 || windows > MAX_WINDOWS) {
      throw new TFTError('ERR_TFT_OPTION', `windows must be 1 to ${MAX_WINDOWS}, not ${String(windows)}`);
    }
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new TFTError('ERR_TFT_OPTION', `seed must be a whole number from 0 on, not ${String(seed)}`);
    }
    this.capacity = windows;
    this.seed = seed;
    this.#model = model;
    this.#tensors = inputTensors(model);
    this.#random = randomFrom(seed);
  }

  /** Windows kept. */
  get windows(): number {
    return this.#kept.length;
  }

  /** Windows that came. */
  get seen(): number {
    return this.#seen;
  }

  /** Takes each server of a batch as a window; what is kept is copied. Inputs are as `predict` accepts them. */
  offer(inputs: ForecastInputs): void {
    const [first] = this.#tensors as [TensorSpec];
    const batch = valuesOf(inputs, first).length / first.size;
    for (let server = 0; server < batch; server++) {
      this.offerLazily(() => sliceInputs(inputs, this.#model, server, server + 1));
    }
  }

  /** Takes one window, which is only made if it is kept. */
  offerLazily(make: () => ForecastInputs): void {
    this.#seen++;
    const place =
      this.#kept.length < this.capacity ? this.#kept.length : Math.floor(this.#random() * this.#seen);
    if (place < this.capacity) this.#kept[place] = this.#copy(make());
  }

  /** All windows kept, in one batch. */
  packed(): ForecastInputs {
    return inputsOf(
      this.#tensors.map((tensor) => {
        const values = emptyValues(tensor, this.#kept.length);
        for (const [at, inputs] of this.#kept.entries())
          values.set(valuesOf(inputs, tensor), at * tensor.size);
        return [tensor, values];
      }),
    );
  }

  #copy(inputs: ForecastInputs): ForecastInputs {
    return inputsOf(this.#tensors.map((tensor) => [tensor, valuesOf(inputs, tensor).slice()]));
  }
}

/** Numbers from 0 up to 1, 53 bits each, from splitmix64 (S. Vigna's public-domain generator). */
function randomFrom(seed: number): () => number {
  let state = BigInt(seed);
  const mask = (1n << 64n) - 1n;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let mixed = state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
    mixed ^= mixed >> 31n;
    return Number(mixed >> 11n) / 2 ** 53;
  };
}
