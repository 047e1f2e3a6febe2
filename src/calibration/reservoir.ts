// A uniform random sample of windows, for calibrating INT8 variants of a model. Only the sample is in memory, however many
// windows there are.
//
// Reservoir sampling: for the n-th window a random place among the first n is drawn; if the reservoir has that place, the
// window goes there (algorithm R in J. S. Vitter, Random sampling with a reservoir, 1985).

import { TFTError } from '../contract/errors.js';
import { type ForecastInputs, inputsOf, sliceInputs, valuesOf } from '../contract/inputs.js';
import { emptyValues, inputTensors, type SizedModel, type TensorSpec } from '../contract/tensors.js';

export interface ReservoirOptions {
  /** The size of the sample; 512 by default. */
  windows?: number | undefined;
  /** The seed of the random numbers; 1 by default. The same windows in the same order give the same sample. */
  seed?: number | undefined;
}

const WINDOWS = 512;
const MAX_WINDOWS = 65_536;

/** Keeps a sample of the windows that it is offered. It does not record which server or time a window is from. */
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

  /** The number of windows in the sample. */
  get windows(): number {
    return this.#kept.length;
  }

  /** The number of windows that were offered. */
  get seen(): number {
    return this.#seen;
  }

  /** Offers each series of a batch as a window. Windows that are kept are copied. Inputs are as `predict` accepts them. */
  offer(inputs: ForecastInputs): void {
    const [first] = this.#tensors as [TensorSpec];
    const batch = valuesOf(inputs, first).length / first.size;
    for (let server = 0; server < batch; server++) {
      this.offerLazily(() => sliceInputs(inputs, this.#model, server, server + 1));
    }
  }

  /** Offers one window, which is only made if it is kept. */
  offerLazily(make: () => ForecastInputs): void {
    this.#seen++;
    const place =
      this.#kept.length < this.capacity ? this.#kept.length : Math.floor(this.#random() * this.#seen);
    if (place < this.capacity) this.#kept[place] = this.#copy(make());
  }

  /** The sample as one batch. */
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
