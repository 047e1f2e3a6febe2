// A model's inputs and output as the native side takes them, in its order.
import { TFTError } from '../contract/errors.js';
import type { ModelDescription } from '../contract/model.js';
import { INPUTS, PREDICTIONS } from '../contract/names.js';
import type { NativeTensor } from './addon.js';

/** @throws TFTError ERR_TFT_UNSUPPORTED for a model with further tensors: the native side has room for these. */
export function nativeTensors(model: Pick<ModelDescription, 'name' | 'inputs' | 'outputs'>): {
  inputs: NativeTensor[];
  output: NativeTensor;
} {
  const { name, inputs, outputs } = model;
  if (inputs.length !== INPUTS.length || outputs.length !== 1) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${name} has ${inputs.length} inputs and ${outputs.length} outputs; on TensorRT this build runs models with ` +
        `${INPUTS.length} and 1; backend 'onnxruntime' runs it`,
    );
  }
  const find = (wanted: string): NativeTensor => {
    const tensor = [...inputs, ...outputs].find((candidate) => candidate.name === wanted);
    if (tensor === undefined) throw new Error(`${name} has no tensor ${wanted}`);
    const [, steps, channels] = tensor.shape;
    return { name: wanted, type: tensor.type, item: [steps, channels] };
  };
  return { inputs: INPUTS.map((input) => find(input.name)), output: find(PREDICTIONS.name) };
}
