// The data contract between a caller and the model, checked while the caller's arrays are copied.
//
// The check runs on the copy: another thread may change a SharedArrayBuffer at any moment, and what runs must be what
// was checked. The scans below have no branch for each value. Only when one fails does a second, slow scan look for
// the first invalid value.
import type { TFTError, TFTErrorCode } from './errors.js';
import { asInJavaScript, inputError, type Spelling } from './input-error.js';
import type { Category, ModelDescription } from './model.js';
import { INPUTS, type InputKey, LENGTHS_INPUT, STATIC_INPUT } from './names.js';
import {
  emptyValues,
  inputTensors,
  type ModelTensors,
  modelTensors,
  type SizedModel,
  type TensorSpec,
  type Values,
  viewValues,
} from './tensors.js';
import { typeName, viewBuffer, viewLength, viewOffset } from './typed-array.js';

/**
 * The inputs of a prediction for B series, each array row-major, raw values. A model whose model.json lists further
 * inputs takes each of them as a property too, named in camel case.
 *
 * Subarrays and views of a SharedArrayBuffer are accepted. The arrays are copied before the call returns, unless the
 * option `borrow` lends them.
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

/** A request whose arrays have the right types and lengths; each was read once from the caller's object. */
export interface AcceptedInputs {
  /** The number of series. */
  readonly batch: number;
  /** In the order of the model's inputs. */
  readonly arrays: readonly Values[];
}

/** Where inputs are copied to. */
export interface InputMemory {
  /** In the order of the model's inputs. */
  readonly inputs: readonly Values[];
}

/** The rule that the values of one input are checked by. */
interface Rule {
  readonly tensor: TensorSpec;
  /** The largest code of each channel; undefined where there is no vocabulary. */
  readonly largestCodes: Int32Array | undefined;
  /** The channels' names, for messages. */
  readonly channels: readonly string[];
}

/** Inputs of zeros, all steps there, for warming up, measuring, and testing whether a model runs. */
export function emptyInputs(model: SizedModel, batch: number): ForecastInputs {
  return inputsOf(
    inputTensors(model).map((tensor) => {
      const values = emptyValues(tensor, batch);
      return [tensor, tensor.name === LENGTHS_INPUT ? values.fill(model.encoderLength) : values];
    }),
  );
}

/** Where it says how many of the encoder's steps each series has; undefined for a model that takes all alone. */
export function encoderLengthsOf(inputs: ForecastInputs): Int32Array | undefined {
  return (inputs as { encoderLengths?: Int32Array }).encoderLengths;
}

/** The inputs of the series `from` up to but not including `to`, as views of the same memory. */
export function sliceInputs(
  inputs: ForecastInputs,
  model: SizedModel,
  from: number,
  to: number,
): ForecastInputs {
  return inputsOf(
    inputTensors(model).map((tensor) => [
      tensor,
      valuesOf(inputs, tensor).subarray(from * tensor.size, to * tensor.size),
    ]),
  );
}

/** The array of one input. */
export function valuesOf(inputs: ForecastInputs, { key }: Pick<TensorSpec, 'key'>): Values {
  return inputs[key as InputKey];
}

/** Inputs from an array for each tensor. */
export function inputsOf(arrays: Iterable<readonly [TensorSpec, Values]>): ForecastInputs {
  const inputs: Record<string, Values> = {};
  for (const [{ key }, values] of arrays) inputs[key] = values;
  return inputs as unknown as ForecastInputs;
}

/** Beyond this many values in a tensor, native code and runtimes that count with 32 bits would count wrong. */
const MAX_VALUES = 2 ** 31 - 1;

/** Checks and copies requests as one model demands. */
export class Contract {
  readonly tensors: ModelTensors;
  readonly #rules: readonly Rule[];
  /** Values of one series in the largest of all tensors, the predictions among them. */
  readonly #largest: number;
  /** The fewest and the most of the encoder's steps, of a model that takes fewer than all. */
  readonly #lengths: { readonly index: number; readonly least: number; readonly most: number } | undefined;

  constructor(model: ModelDescription) {
    this.tensors = modelTensors(model);
    const { minEncoderLength: least, encoderLength: most } = model;
    const index = this.tensors.inputs.findIndex(({ name }) => name === LENGTHS_INPUT);
    if (least !== undefined && index >= 0) this.#lengths = { index, least, most };
    this.#largest = Math.max(...[...this.tensors.inputs, ...this.tensors.outputs].map(({ size }) => size));
    const codes = Int32Array.from(model.categories, largestCode);
    const names: Partial<Record<(typeof INPUTS)[number]['channels'], readonly string[]>> = {
      metrics: model.metrics.map(({ name }) => name),
      categories: model.categories.map(({ name }) => name),
      known: model.known,
    };
    this.#rules = this.tensors.inputs.map((tensor, index) => {
      const common = INPUTS[index];
      return {
        tensor,
        largestCodes: common?.channels === 'categories' ? codes : undefined,
        channels: (common ? names[common.channels] : ownChannels(model, tensor)) ?? [],
      };
    });
  }

  #tooLarge(batch: number): TFTError {
    const most = Math.floor(MAX_VALUES / this.#largest);
    return inputError(
      'ERR_TFT_INPUT_LENGTH',
      () => `the batch has ${batch} series; ${most} are the most that can be counted. Split it`,
      { found: batch, most },
    );
  }

  /** The predicted values of one series. */
  get width(): number {
    return (this.tensors.outputs[0] as TensorSpec).size;
  }

  /**
   * Checks the types and lengths of a request's arrays, and how many steps each series has.
   *
   * @throws TFTError ERR_TFT_INPUT_TYPE, ERR_TFT_INPUT_LENGTH, ERR_TFT_INPUT_BATCH, ERR_TFT_INPUT_EMPTY, or
   *   ERR_TFT_INPUT_VALUE for a series of too few or too many steps.
   */
  accept(inputs: ForecastInputs): AcceptedInputs {
    const { inputs: tensors } = this.tensors;
    if (typeof inputs !== 'object' || inputs === null) {
      const found = typeName(inputs);
      throw refusal(
        'ERR_TFT_INPUT_TYPE',
        () => 'the inputs',
        found,
        (spell) => {
          return `an object of ${tensors.map(({ key }) => spell(key)).join(', ')}`;
        },
      );
    }
    const arrays: Values[] = [];
    let batch = 0;
    let differ = false;
    for (let index = 0; index < tensors.length; index++) {
      const tensor = tensors[index] as TensorSpec;
      // Read once: a getter may return another array the next time.
      const value: unknown = valuesOf(inputs, tensor);
      const series = seriesIn(tensor, value);
      if (index === 0) batch = series;
      else if (series !== batch) differ = true;
      arrays.push(value as Values);
    }
    if (differ) throw differentBatches(tensors, arrays);
    if (batch === 0) {
      throw inputError('ERR_TFT_INPUT_EMPTY', () => 'the batch is empty; at least one series is expected');
    }
    if (batch * this.#largest > MAX_VALUES) throw this.#tooLarge(batch);
    this.#checkLengths(arrays);
    return { batch, arrays };
  }

  #checkLengths(arrays: readonly Values[]): void {
    if (this.#lengths === undefined) return;
    const { index, least, most } = this.#lengths;
    const { key } = this.tensors.inputs[index] as TensorSpec;
    for (const [series, found] of (arrays[index] as Values).entries()) {
      if (found >= least && found <= most) continue;
      const expected = `a number of steps from ${least} to ${most}`;
      throw inputError(
        'ERR_TFT_INPUT_VALUE',
        (spell) => `${spell(key)}[${series}] (series ${series}) is ${found}; ${expected} is expected`,
        { tensor: key, index: series, server: series, found, expected },
      );
    }
  }

  /**
   * Copies `count` series of a request, from series `from` on, into a slab from `slot` on, and checks them.
   * The request must have been accepted in the same turn of the event loop.
   *
   * @throws TFTError ERR_TFT_INPUT_VALUE or ERR_TFT_INPUT_CATEGORY for the request's first invalid value, tensor by
   *   tensor. The contents of the slots are undefined then.
   */
  pack(
    { batch, arrays }: AcceptedInputs,
    from: number,
    count: number,
    slab: InputMemory,
    slot: number,
  ): void {
    const rules = this.#rules;
    const whole = count === batch;
    for (let index = 0; index < rules.length; index++) {
      const { tensor } = rules[index] as Rule;
      const array = arrays[index] as Values;
      const copied = whole ? array : partOf(tensor, array, from * tensor.size, count * tensor.size);
      (slab.inputs[index] as Values).set(copied, slot * tensor.size);
    }
    let valid = true;
    for (let index = 0; valid && index < rules.length; index++) {
      const { tensor, largestCodes } = rules[index] as Rule;
      const start = slot * tensor.size;
      const end = start + count * tensor.size;
      const values = slab.inputs[index] as Values;
      if (tensor.type === 'float32') valid = allFinite(values as Float32Array, start, end);
      else if (largestCodes) valid = allKnown(values as Int32Array, start, end, largestCodes);
    }
    if (valid) return;
    // The error names the first invalid value of the whole request, even if this is a later part of it.
    const copied = rules.map(({ tensor: { size } }, index) =>
      (slab.inputs[index] as Values).subarray(slot * size, (slot + count) * size),
    );
    throw (
      this.#firstInvalid(arrays, 0) ??
      // Another thread has changed shared memory since it was copied: the copy still has the invalid value.
      this.#firstInvalid(copied, from) ??
      new Error('the fast scan failed but the slow one finds nothing: a bug of tft-tensorrt')
    );
  }

  /** The error for borrowed inputs whose memory was detached or resized since they were accepted; undefined if none was. */
  changed({ batch, arrays }: AcceptedInputs): TFTError | undefined {
    for (const [index, { key, size }] of this.tensors.inputs.entries()) {
      // A view of memory that was detached, or resized below its end, has no length.
      if (viewLength(arrays[index]) === batch * size) continue;
      return refusal(
        'ERR_TFT_INPUT_LENGTH',
        (spell) => spell(key),
        'an ArrayBuffer that was detached, transferred or resized while it was borrowed',
        'an array that keeps its memory until the request has ended',
        key,
      );
    }
    return undefined;
  }

  /**
   * The error for an invalid value that the check of a backend found.
   *
   * @param input the index of the model's input.
   * @param index the index of the element in that array.
   */
  invalidValue(input: number, index: number, found: number): TFTError {
    return invalidValueError(this.#rules[input] as Rule, index, found);
  }

  /** The error for the first invalid value of a request, tensor by tensor; undefined if there is none. A slow scan. */
  firstInvalid({ arrays }: AcceptedInputs): TFTError | undefined {
    return this.#firstInvalid(arrays, 0);
  }

  /** The slow scan: finds the value that made the fast one fail. The arrays begin with the request's series `from`. */
  #firstInvalid(arrays: readonly Values[], from: number): TFTError | undefined {
    for (const [input, rule] of this.#rules.entries()) {
      const { tensor, largestCodes } = rule;
      const values = arrays[input] as Values;
      for (let offset = 0; offset < values.length; offset++) {
        const value = values[offset] as number;
        const largest = largestCodes?.[offset % tensor.channels];
        const valid = largest === undefined ? Number.isFinite(value) : value >= 0 && value <= largest;
        if (!valid) return invalidValueError(rule, from * tensor.size + offset, value);
      }
    }
    return undefined;
  }
}

/** The names of a further input's channels, for messages. */
function ownChannels(model: ModelDescription, tensor: TensorSpec): readonly string[] | undefined {
  return tensor.name === STATIC_INPUT ? model.statics?.map(({ name }) => name) : undefined;
}

function seriesIn(tensor: TensorSpec, value: unknown): number {
  const { key, type, size, steps, channels } = tensor;
  const found = typeName(value);
  const expected = type === 'float32' ? 'Float32Array' : 'Int32Array';
  if (found !== expected) throw refusal('ERR_TFT_INPUT_TYPE', (spell) => spell(key), found, expected, key);
  const length = viewLength(value);
  const series = length / size;
  if (!Number.isInteger(series)) {
    throw refusal(
      'ERR_TFT_INPUT_LENGTH',
      (spell) => spell(key),
      `length ${length}`,
      `a multiple of ${size} (${steps} steps × ${channels} values for each series)`,
      key,
    );
  }
  if (length === 0 && isDetached(viewBuffer(value))) {
    throw refusal(
      'ERR_TFT_INPUT_LENGTH',
      (spell) => spell(key),
      'a detached ArrayBuffer, transferred or resized away',
      'an array that still has its memory',
      key,
    );
  }
  return series;
}

function differentBatches(tensors: readonly TensorSpec[], arrays: readonly Values[]): TFTError {
  const found = tensors.map(({ key, size }, index) => [key, viewLength(arrays[index]) / size] as const);
  return inputError(
    'ERR_TFT_INPUT_BATCH',
    (spell) =>
      `the tensors hold different numbers of series: ${found.map(([key, series]) => `${spell(key)} ${series}`).join(', ')}; ` +
      'all must hold the same',
    { found: Object.fromEntries(found) },
  );
}

function invalidValueError({ tensor, largestCodes, channels }: Rule, index: number, found: number): TFTError {
  const { key, size } = tensor;
  const series = Math.floor(index / size);
  const step = Math.floor((index % size) / tensor.channels);
  const at = index % tensor.channels;
  const channel = channels[at];
  const largest = largestCodes?.[at];
  const of =
    channel === undefined
      ? `channel ${at}`
      : largest === undefined
        ? `'${channel}'`
        : `category '${channel}'`;
  const expected = largest === undefined ? 'a finite number' : `a code from 0 to ${largest}`;
  return inputError(
    largest === undefined ? 'ERR_TFT_INPUT_VALUE' : 'ERR_TFT_INPUT_CATEGORY',
    (spell) =>
      `${spell(key)}[${index}] (series ${series}, step ${step}, ${of}) is ${found}; ${expected} is expected`,
    { tensor: key, index, server: series, step, channel, found, expected },
  );
}

/**
 * Whether no value is NaN or infinite. If so, their sum is finite too: in double precision no number of float32 values
 * overflows it. There are four sums so that the additions do not wait for each other.
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

/** Whether every code is within its channel's vocabulary, that is, neither `code` nor `largest - code` is negative. */
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

/** A category without names accepts any code. A plan without model.json has such categories. */
function largestCode(category: Category): number {
  const codes = Object.keys(category.codes).length;
  return codes === 0 ? LARGEST_INT32 : codes - 1;
}

const LARGEST_INT32 = 2 ** 31 - 1;

function partOf(tensor: TensorSpec, array: Values, start: number, length: number): Values {
  return viewValues(
    tensor,
    viewBuffer(array),
    viewOffset(array) + start * Float32Array.BYTES_PER_ELEMENT,
    length,
  );
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
  what: (spell: Spelling) => string,
  found: string,
  expected: string | ((spell: Spelling) => string),
  tensor?: string,
): TFTError {
  const write = typeof expected === 'string' ? () => expected : expected;
  return inputError(code, (spell) => `${what(spell)}: found ${found}, expected ${write(spell)}`, {
    ...(tensor === undefined ? {} : { tensor }),
    found,
    expected: write(asInJavaScript),
  });
}
