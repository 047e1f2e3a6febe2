// The data contract between a caller and the model, checked while the caller's arrays are copied.
//
// The check runs on the copy: what a caller's SharedArrayBuffer holds may change at any moment, and what was
// checked must be what runs. The scans below have no branch for each value; only when one fails does a second,
// slow scan look for the first offender.

import { type ServerSizes, type Slab, serverSizes } from '../batching/slab.js';
import { TFTError, type TFTErrorCode } from './errors.js';
import type { Category, ModelDescription } from './model.js';
import { typeName, viewBuffer, viewLength, viewOffset } from './typed-array.js';

/**
 * The inputs of a prediction for B servers, each array row-major, raw values.
 *
 * Subarrays and views of a SharedArrayBuffer are accepted. The arrays are copied before the call returns.
 */
export interface ForecastInputs {
  /** `[B, encoderLength, metrics]`, oldest step first. */
  encoderCont: Float32Array;
  /** `[B, encoderLength, categories]`, codes of the model's vocabulary. */
  encoderCat: Int32Array;
  /** `[B, horizon, known features]`. */
  decoderCont: Float32Array;
  /** `[B, horizon, categories]`. */
  decoderCat: Int32Array;
}

/** A request whose arrays have the right types and lengths, read once from what the caller gave. */
export interface AcceptedInputs extends Readonly<ForecastInputs> {
  /** The number of servers. */
  readonly batch: number;
}

/** The four inputs in the order in which they are checked. */
const INPUTS = ['encoderCont', 'encoderCat', 'decoderCont', 'decoderCat'] as const;
type InputName = (typeof INPUTS)[number];
const TYPES = {
  encoderCont: 'Float32Array',
  encoderCat: 'Int32Array',
  decoderCont: 'Float32Array',
  decoderCat: 'Int32Array',
} as const;

/** Checks and copies requests as one model demands. */
export class Contract {
  readonly sizes: ServerSizes;
  readonly #model: ModelDescription;
  /** The largest code of each category channel. */
  readonly #largestCodes: Int32Array;

  constructor(model: ModelDescription) {
    this.#model = model;
    this.sizes = serverSizes(model);
    this.#largestCodes = Int32Array.from(model.categories, largestCode);
  }

  /**
   * Checks the types and lengths of a request's arrays.
   *
   * @throws TFTError ERR_TFT_INPUT_TYPE, ERR_TFT_INPUT_LENGTH, ERR_TFT_INPUT_BATCH or ERR_TFT_INPUT_EMPTY.
   */
  accept(inputs: ForecastInputs): AcceptedInputs {
    if (typeof inputs !== 'object' || inputs === null) {
      throw refusal(
        'ERR_TFT_INPUT_TYPE',
        'the inputs',
        typeName(inputs),
        `an object of ${INPUTS.join(', ')}`,
      );
    }
    const { encoderCont, encoderCat, decoderCont, decoderCat } = inputs;
    const batch = this.#serversIn('encoderCont', encoderCont);
    const others = [
      this.#serversIn('encoderCat', encoderCat),
      this.#serversIn('decoderCont', decoderCont),
      this.#serversIn('decoderCat', decoderCat),
    ] as const;
    if (others[0] !== batch || others[1] !== batch || others[2] !== batch) {
      throw new TFTError(
        'ERR_TFT_INPUT_BATCH',
        `the tensors hold different numbers of servers: encoderCont ${batch}, encoderCat ${others[0]}, ` +
          `decoderCont ${others[1]}, decoderCat ${others[2]}; all four must hold the same`,
        {
          details: {
            found: {
              encoderCont: batch,
              encoderCat: others[0],
              decoderCont: others[1],
              decoderCat: others[2],
            },
          },
        },
      );
    }
    if (batch === 0) {
      throw new TFTError('ERR_TFT_INPUT_EMPTY', 'the batch is empty; at least one server is expected');
    }
    return { encoderCont, encoderCat, decoderCont, decoderCat, batch };
  }

  /**
   * Copies `count` servers of a request, from server `from` on, into a slab from `slot` on, and checks them.
   * The request must have been accepted in the same turn of the event loop.
   *
   * @throws TFTError ERR_TFT_INPUT_VALUE or ERR_TFT_INPUT_CATEGORY of the request's first value that is wrong, tensor by
   *   tensor; the slab's slots then hold rubbish.
   */
  pack(inputs: AcceptedInputs, from: number, count: number, slab: Slab, slot: number): void {
    const { encoderCont, encoderCat, decoderCont, decoderCat } = this.sizes;
    const whole = count === inputs.batch;
    slab.encoderCont.set(
      whole ? inputs.encoderCont : floats(inputs.encoderCont, from * encoderCont, count * encoderCont),
      slot * encoderCont,
    );
    slab.encoderCat.set(
      whole ? inputs.encoderCat : integers(inputs.encoderCat, from * encoderCat, count * encoderCat),
      slot * encoderCat,
    );
    slab.decoderCont.set(
      whole ? inputs.decoderCont : floats(inputs.decoderCont, from * decoderCont, count * decoderCont),
      slot * decoderCont,
    );
    slab.decoderCat.set(
      whole ? inputs.decoderCat : integers(inputs.decoderCat, from * decoderCat, count * decoderCat),
      slot * decoderCat,
    );
    const end = slot + count;
    const valid =
      allFinite(slab.encoderCont, slot * encoderCont, end * encoderCont) &&
      allFinite(slab.decoderCont, slot * decoderCont, end * decoderCont) &&
      allKnown(slab.encoderCat, slot * encoderCat, end * encoderCat, this.#largestCodes) &&
      allKnown(slab.decoderCat, slot * decoderCat, end * decoderCat, this.#largestCodes);
    if (valid) return;
    // The first of the whole request, whatever part of it this is.
    const copied = Object.fromEntries(
      INPUTS.map((name) => [
        name,
        slab[name].subarray(slot * this.sizes[name], (slot + count) * this.sizes[name]),
      ]),
    ) as unknown as ForecastInputs;
    const offender =
      this.#firstOffender(inputs, 0) ??
      // Shared memory that another thread has changed since it was copied.
      this.#firstOffender(copied, from);
    throw offender ?? new Error('a fast scan failed where the slow one finds nothing: a bug of tft-tensorrt');
  }

  /**
   * The error for a value that a backend's own check found.
   *
   * @param input which of the four inputs.
   * @param index of the element in that array.
   */
  offence(input: number, index: number, found: number): TFTError {
    const name = INPUTS[input] as InputName;
    const [, channels] = this.#shape(name);
    const channel = index % channels;
    const category = name.endsWith('Cat') ? this.#model.categories[channel] : undefined;
    return this.#offence(name, index, channel, found, category);
  }

  #serversIn(name: InputName, value: unknown): number {
    const found = typeName(value);
    if (found !== TYPES[name])
      throw refusal('ERR_TFT_INPUT_TYPE', name, found, TYPES[name], { tensor: name });
    const length = viewLength(value as Float32Array | Int32Array);
    const servers = length / this.sizes[name];
    if (!Number.isInteger(servers)) {
      const [steps, channels] = this.#shape(name);
      throw refusal(
        'ERR_TFT_INPUT_LENGTH',
        name,
        `length ${length}`,
        `a multiple of ${this.sizes[name]} (${steps} steps × ${channels} values for each server)`,
        { tensor: name },
      );
    }
    if (length === 0 && isDetached(viewBuffer(value as Float32Array | Int32Array))) {
      throw refusal(
        'ERR_TFT_INPUT_LENGTH',
        name,
        'a detached ArrayBuffer, transferred or resized away',
        'an array that still has its memory',
        { tensor: name },
      );
    }
    return servers;
  }

  #shape(name: InputName): [steps: number, channels: number] {
    const { encoderLength, horizon, metrics, categories, known } = this.#model;
    const steps = name.startsWith('encoder') ? encoderLength : horizon;
    if (name === 'encoderCont') return [steps, metrics.length];
    return [steps, name === 'decoderCont' ? known.length : categories.length];
  }

  /** The slow scan: which value made the fast one fail. The arrays begin with the request's server `from`. */
  #firstOffender(arrays: ForecastInputs, from: number): TFTError | undefined {
    for (const name of INPUTS) {
      const [, channels] = this.#shape(name);
      const values = arrays[name];
      for (let offset = 0; offset < values.length; offset++) {
        const value = values[offset] as number;
        const channel = offset % channels;
        const category = name.endsWith('Cat') ? this.#model.categories[channel] : undefined;
        const good = category ? value >= 0 && value <= largestCode(category) : Number.isFinite(value);
        if (!good) {
          return this.#offence(name, from * this.sizes[name] + offset, channel, value, category);
        }
      }
    }
    return undefined;
  }

  #offence(
    name: InputName,
    index: number,
    channel: number,
    value: number,
    category: Category | undefined,
  ): TFTError {
    const size = this.sizes[name];
    const [, channels] = this.#shape(name);
    const server = Math.floor(index / size);
    const step = Math.floor((index % size) / channels);
    const series = name === 'encoderCont' ? this.#model.metrics[channel]?.name : this.#model.known[channel];
    const what = category ? `category '${category.name}'` : `'${series}'`;
    const expected = category ? `a code from 0 to ${largestCode(category)}` : 'a finite number';
    return new TFTError(
      category ? 'ERR_TFT_INPUT_CATEGORY' : 'ERR_TFT_INPUT_VALUE',
      `${name}[${index}] (server ${server}, step ${step}, ${what}) is ${value}; ${expected} is expected`,
      {
        details: {
          tensor: name,
          index,
          server,
          step,
          channel: category?.name ?? series,
          found: value,
          expected,
        },
      },
    );
  }
}

/**
 * Whether no value is NaN or infinite: then neither is their sum, which in double precision no number of
 * float32 values can overflow. Four sums, since one would wait for each addition before the next.
 */
function allFinite(values: Float32Array, start: number, end: number): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = start;
  for (; i <= end - 4; i += 4) {
    a += values[i] as number;
    b += values[i + 1] as number;
    c += values[i + 2] as number;
    d += values[i + 3] as number;
  }
  for (; i < end; i++) a += values[i] as number;
  return Number.isFinite(a + b + c + d);
}

/** Whether every code is within its channel's vocabulary: both the code and the rest above it have no sign. */
function allKnown(codes: Int32Array, start: number, end: number, largest: Int32Array): boolean {
  const channels = largest.length;
  let signs = 0;
  if (channels === 2) {
    const first = largest[0] as number;
    const second = largest[1] as number;
    for (let i = start; i < end; i += 2) {
      const a = codes[i] as number;
      const b = codes[i + 1] as number;
      signs |= a | (first - a) | b | (second - b);
    }
    return signs >= 0;
  }
  for (let channel = 0; channel < channels; channel++) {
    const most = largest[channel] as number;
    for (let i = start + channel; i < end; i += channels) {
      const code = codes[i] as number;
      signs |= code | (most - code);
    }
  }
  return signs >= 0;
}

/** A category without names, as a plan without model.json has, takes any code. */
function largestCode(category: Category): number {
  const codes = Object.keys(category.codes).length;
  return codes === 0 ? LARGEST_INT32 : codes - 1;
}

const LARGEST_INT32 = 2 ** 31 - 1;

function floats(array: Float32Array, start: number, length: number): Float32Array {
  return new Float32Array(
    viewBuffer(array),
    viewOffset(array) + start * Float32Array.BYTES_PER_ELEMENT,
    length,
  );
}

function integers(array: Int32Array, start: number, length: number): Int32Array {
  return new Int32Array(viewBuffer(array), viewOffset(array) + start * Int32Array.BYTES_PER_ELEMENT, length);
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function refusal(
  code: TFTErrorCode,
  what: string,
  found: string,
  expected: string,
  details: Record<string, unknown> = {},
): TFTError {
  return new TFTError(code, `${what}: found ${found}, expected ${expected}`, {
    details: { ...details, found, expected },
  });
}
