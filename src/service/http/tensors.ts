// From the JSON numbers of a request to the typed arrays that the engine takes, with the checks that only this side can
// make: how arrays are nested, whole numbers for codes.
import type { TensorSpec, Values } from '../../contract/tensors.js';
import { badBody, refusal } from './http-error.js';
import type { Numbers } from './json/numbers.js';

/** @throws HttpError ERR_TFT_INPUT_CATEGORY for a code that is not whole. */
export function fromNumbers(spec: TensorSpec, numbers: Numbers): Values {
  const read = numbers.values.subarray(0, numbers.length);
  if (spec.type === 'float32') return new Float32Array(read);
  const codes = new Int32Array(read);
  for (let index = 0; index < codes.length; index++) {
    if (codes[index] !== read[index]) {
      throw refusal(
        'ERR_TFT_INPUT_CATEGORY',
        `${spec.name}[${index}] is ${read[index]}; a whole number is expected`,
      );
    }
  }
  return codes;
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
