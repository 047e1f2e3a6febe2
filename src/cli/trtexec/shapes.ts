// Parses trtexec's shapes, 'encoder_cont:8x288x14,decoder_cont:8x96x4', into the only thing that varies here: the batch.
import { type ModelDescription, TFTError } from '../../index.js';

/** The part of a model that its shapes need. */
export type ShapedModel = Pick<ModelDescription, 'inputs' | 'name'>;

/**
 * The batch of the given shapes. They name one input, which implies all others, or several with the same batch.
 *
 * @param option the option's name, for messages.
 * @throws TFTError ERR_TFT_OPTION, naming the input and both shapes.
 */
export function batchOf(option: string, text: string, model: ShapedModel): number {
  let batch: number | undefined;
  let first = '';
  for (const entry of text.split(',')) {
    const match = /^'?([^']+?)'?:([\dx]+)$/.exec(entry.trim());
    const dimensions = match?.[2]?.split('x').map(Number) ?? [];
    if (!match || dimensions.some((size) => !(size >= 1))) {
      throw bad(option, `'${entry}' is no shape; write it like ${example(model)}`);
    }
    const input = model.inputs.find(({ name }) => name === match[1]);
    if (input === undefined) {
      const names = model.inputs.map(({ name }) => name).join(', ');
      throw bad(option, `the model has no input '${match[1]}'; it has ${names}`);
    }
    const [size, ...item] = dimensions as [number, ...number[]];
    const wanted = input.shape.slice(1);
    if (item.join('x') !== wanted.join('x')) {
      throw bad(
        option,
        `${input.name} is ${dimensions.join('x')}, and the model's is [batch]x${wanted.join('x')}`,
      );
    }
    if (batch !== undefined && batch !== size) {
      throw bad(
        option,
        `${first} has a batch of ${batch} and ${input.name} of ${size}; all inputs have the same`,
      );
    }
    batch = size;
    first = input.name;
  }
  return batch as number;
}

function example({ inputs }: ShapedModel): string {
  const [input] = inputs;
  return `${input?.name}:8x${input?.shape.slice(1).join('x')}`;
}

function bad(option: string, problem: string): TFTError {
  return new TFTError('ERR_TFT_OPTION', `--${option}: ${problem}`);
}
