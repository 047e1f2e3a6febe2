// The sample windows of a bundle and their expected output, as arrays.
import { TFTError } from './errors.js';
import { type ForecastInputs, inputsOf } from './inputs.js';
import { type BundleFile, type ModelDescription, readBundleFile } from './model.js';
import { modelTensors, type TensorSpec, type Values, viewValues } from './tensors.js';

export interface BundleSamples {
  readonly count: number;
  readonly inputs: ForecastInputs;
  /** `[count, horizon, quantiles]` */
  readonly expected: Float32Array;
  /** The target's standard deviation over the samples' horizons. */
  readonly spread: number;
  /** The largest difference allowed, as a share of the spread. */
  readonly tolerance: number;
  /** Samples whose past crosses the turn of a month; the model cannot see the month before. */
  readonly monthTurn: ReadonlySet<number>;
}

/** @throws TFTError ERR_TFT_MODEL_INVALID if there are none or their sizes are wrong, ERR_TFT_MODEL_HASH. */
export async function readSamples(model: ModelDescription): Promise<BundleSamples> {
  const { samples } = model;
  if (samples === undefined) {
    throw new TFTError('ERR_TFT_MODEL_INVALID', `the bundle ${model.directory} has no sample windows`);
  }
  const { count, spread, tolerance, files } = samples;
  const read = async (file: BundleFile | undefined, tensor: TensorSpec): Promise<Values> => {
    if (file === undefined) {
      throw new TFTError(
        'ERR_TFT_MODEL_INVALID',
        `the bundle ${model.directory} has no samples of ${tensor.name}`,
      );
    }
    const bytes = await readBundleFile(model, file);
    const length = count * tensor.size;
    if (bytes.length !== length * 4) {
      throw new TFTError(
        'ERR_TFT_MODEL_INVALID',
        `${file.path} has ${bytes.length} bytes, but ${count} samples need ${length * 4}`,
      );
    }
    // Copied because a Buffer may begin at any offset, and a typed array must begin at a multiple of four.
    return viewValues(tensor, new Uint8Array(bytes).buffer, 0, length);
  };
  const { inputs, outputs } = modelTensors(model);
  const arrays: [TensorSpec, Values][] = [];
  for (const tensor of inputs) {
    arrays.push([tensor, await read((files as Record<string, BundleFile>)[tensor.name], tensor)]);
  }
  return {
    count,
    spread,
    tolerance,
    monthTurn: new Set(samples.monthTurn ?? []),
    inputs: inputsOf(arrays),
    expected: (await read(files.expected, outputs[0] as TensorSpec)) as Float32Array,
  };
}
