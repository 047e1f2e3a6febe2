// Converts the JSON numbers of a request to typed arrays for the engine. Checks what typed arrays do not preserve: the nesting
// of the JSON, and that codes are whole numbers.
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
 * Checks the nesting of a tensor's JSON arrays: flat, one row for each series, [series, steps, channels], or [steps,
 * channels] for a single series.
 *
 * @throws HttpError ERR_TFT_HTTP_BODY.
 */
export function checkNesting(spec: TensorSpec, { shape, length }: Numbers): void {
  const { steps, channels } = spec;
  const found = shape.join(',');
  const series = length / (steps * channels);
  const fits =
    shape.length === 1 ||
    found === `${steps},${channels}` ||
    found === `${series},${steps * channels}` ||
    found === `${series},${steps},${channels}`;
  if (!fits) {
    throw badBody(
      `${spec.name} has the shape [${shape.join(', ')}]; [series, ${steps}, ${channels}], or the same numbers in ` +
        'a flat array, is expected',
    );
  }
}
