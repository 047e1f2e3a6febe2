// A model's tensors as the native side takes them, in the order of the contract: the predictions are the first output.
import { TFTError } from '../contract/errors.js';
import type { ModelDescription } from '../contract/model.js';
import { INPUTS, PREDICTIONS } from '../contract/names.js';
import type { NativeTensor } from './addon.js';

type Listed = ModelDescription['inputs'][number];

/** @throws TFTError ERR_TFT_UNSUPPORTED for an output of integers, which the native side does not copy. */
export function nativeTensors(model: Pick<ModelDescription, 'name' | 'inputs' | 'outputs'>): {
  inputs: NativeTensor[];
  outputs: NativeTensor[];
} {
  const integers = model.outputs.find(({ type }) => type !== 'float32');
  if (integers) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `the output ${integers.name} of ${model.name} is ${integers.type}; of this backend outputs must be float32`,
    );
  }
  return {
    inputs: inOrder(INPUTS, model.inputs).map(nativeTensor),
    outputs: inOrder([PREDICTIONS], model.outputs).map(nativeTensor),
  };
}

/** The tensors that every model has, then the further ones. */
function inOrder(common: readonly { name: string }[], listed: readonly Listed[]): Listed[] {
  const first = common.flatMap(({ name }) => listed.filter((tensor) => tensor.name === name));
  return [...first, ...listed.filter((tensor) => !first.includes(tensor))];
}

function nativeTensor({ name, type, shape: [, steps, channels] }: Listed): NativeTensor {
  return { name, type, item: [steps, channels] };
}
