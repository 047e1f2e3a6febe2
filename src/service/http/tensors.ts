// From what a request holds, JSON numbers or bytes, to the typed arrays that the engine takes, with the checks that
// only this side can make: shapes, data types, whole numbers for codes.
import type { ForecastInputs } from '../../contract/inputs.js';
import type { ModelDescription } from '../../contract/model.js';
import { badBody, HttpError } from './http-error.js';
import type { Numbers } from './json/numbers.js';

/** A tensor of the model in KServe's terms. */
export interface TensorSpec {
  readonly name: string;
  readonly key: keyof ForecastInputs;
  readonly datatype: 'FP32' | 'INT32';
  readonly steps: number;
  readonly channels: number;
}

const KEYS = {
  encoder_cont: 'encoderCont',
  encoder_cat: 'encoderCat',
  decoder_cont: 'decoderCont',
  decoder_cat: 'decoderCat',
} as const satisfies Record<string, keyof ForecastInputs>;

/** The names of the inputs, as model.json has them. */
export const INPUT_NAMES = Object.keys(KEYS) as readonly (keyof typeof KEYS)[];
/** The name of the output. */
export const OUTPUT_NAME = 'predictions';

/** The inputs of a model, in the order of the contract. */
export function inputSpecs(model: ModelDescription): readonly TensorSpec[] {
  return INPUT_NAMES.map((name) => {
    const tensor = model.inputs.find((candidate) => candidate.name === name);
    if (tensor === undefined) throw new Error(`the model has no input ${name}`);
    const [, steps, channels] = tensor.shape;
    const datatype = tensor.type === 'float32' ? 'FP32' : 'INT32';
    return { name, key: KEYS[name], datatype, steps, channels };
  });
}

/** The typed array of a tensor. */
export type Values = Float32Array | Int32Array;

/** @throws HttpError ERR_TFT_INPUT_CATEGORY for a code that is not whole. */
export function fromNumbers(spec: TensorSpec, numbers: Numbers): Values {
  const read = numbers.values.subarray(0, numbers.length);
  if (spec.datatype === 'FP32') return new Float32Array(read);
  const codes = new Int32Array(read);
  for (let index = 0; index < codes.length; index++) {
    if (codes[index] !== read[index]) {
      throw new HttpError(
        400,
        'ERR_TFT_INPUT_CATEGORY',
        `${spec.name}[${index}] is ${read[index]}; a whole number is expected`,
      );
    }
  }
  return codes;
}

/** A view of the bytes; a copy only where they do not lie on a multiple of four. */
export function fromBytes(spec: TensorSpec, bytes: Buffer): Values {
  const lies = bytes.byteOffset % 4 === 0;
  const buffer = lies ? bytes.buffer : new Uint8Array(bytes).buffer;
  const offset = lies ? bytes.byteOffset : 0;
  const length = bytes.length / 4;
  return spec.datatype === 'FP32'
    ? new Float32Array(buffer, offset, length)
    : new Int32Array(buffer, offset, length);
}

/**
 * Checks how the JSON arrays of a tensor were nested: flat, a row for each server, the whole [servers, steps,
 * channels], or [steps, channels] of a single server.
 *
 * @throws HttpError ERR_TFT_HTTP_BODY.
 */
export function checkNesting(spec: TensorSpec, { shape, length }: Numbers): void {
  const { steps, channels } = spec;
  const found = shape.join(',');
  const servers = length / (steps * channels);
  const fits =
    shape.length === 1 ||
    found === `${steps},${channels}` ||
    found === `${servers},${steps * channels}` ||
    found === `${servers},${steps},${channels}`;
  if (!fits) {
    throw badBody(
      `${spec.name} has the shape [${shape.join(', ')}]; [servers, ${steps}, ${channels}], or the same numbers in ` +
        'a flat array, is expected',
    );
  }
}
