// Compares a served model's metadata with the bundle's contract.
import { TFTError } from '../contract/errors.js';
import type { ModelTensors, TensorSpec } from '../contract/tensors.js';
import { wireTensor } from './wire.js';

/**
 * Checks that the served model has the bundle's tensors: names, types and shapes.
 *
 * @param metadata the response to GET /v2/models/MODEL.
 * @throws TFTError ERR_TFT_REMOTE_MISMATCH, which names the tensor; ERR_TFT_REMOTE_ANSWER.
 */
export function checkMetadata(metadata: unknown, { inputs, outputs }: ModelTensors): void {
  const served = {
    input: listOf(metadata, 'inputs'),
    output: listOf(metadata, 'outputs'),
  };
  for (const spec of inputs) check('input', spec, served.input);
  for (const spec of outputs) check('output', spec, served.output);
  const surplus = served.input.find(({ name }) => !inputs.some((spec) => spec.name === name));
  if (surplus !== undefined) {
    throw mismatch(
      String(surplus.name),
      `the served model has the input '${String(surplus.name)}', which the bundle does not have`,
    );
  }
}

function check(side: 'input' | 'output', spec: TensorSpec, served: readonly Record<string, unknown>[]): void {
  const found = served.find(({ name }) => name === spec.name);
  if (found === undefined) throw mismatch(spec.name, `the served model has no ${side} '${spec.name}'`);
  const { datatype, shape } = wireTensor(spec);
  const [batch, ...rest] = Array.isArray(found.shape) ? found.shape.map(Number) : [];
  const fits = batch === -1 && rest.length === 2 && rest.every((size, index) => size === shape[index + 1]);
  if (found.datatype === datatype && fits) return;
  throw mismatch(
    spec.name,
    `the served model's ${side} '${spec.name}' is ${String(found.datatype)} [${String(found.shape)}]; ` +
      `the bundle says ${datatype} [${String(shape)}]`,
  );
}

function listOf(metadata: unknown, key: string): Record<string, unknown>[] {
  const list = (metadata as Record<string, unknown> | null)?.[key];
  if (Array.isArray(list) && list.every((one) => typeof one === 'object' && one !== null)) {
    return list as Record<string, unknown>[];
  }
  throw new TFTError('ERR_TFT_REMOTE_ANSWER', `the model's metadata have no list of ${key}`);
}

function mismatch(tensor: string, message: string): TFTError {
  return new TFTError('ERR_TFT_REMOTE_MISMATCH', `${message}; name the bundle that the server serves`, {
    details: { tensor },
  });
}
