// A model's inputs and output as the native side wants them, in its order.
import type { ModelDescription } from '../contract/model.js';
import type { NativeTensor } from './addon.js';

const INPUTS = ['encoder_cont', 'encoder_cat', 'decoder_cont', 'decoder_cat'];
const OUTPUT = 'predictions';

export function nativeTensors(model: Pick<ModelDescription, 'inputs' | 'outputs'>): {
  inputs: NativeTensor[];
  output: NativeTensor;
} {
  const tensors = [...model.inputs, ...model.outputs].map(({ name, type, shape }) => ({
    name,
    type,
    item: [shape[1], shape[2]],
  }));
  const find = (name: string) => tensors.find((tensor) => tensor.name === name) as NativeTensor;
  return { inputs: INPUTS.map(find), output: find(OUTPUT) };
}
