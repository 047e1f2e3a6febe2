// The sample windows of a bundle and the output that they must give, as arrays.
import { TFTError } from './errors.js';
import type { ForecastInputs } from './inputs.js';
import { type BundleFile, type ModelDescription, readBundleFile } from './model.js';

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

/** @throws TFTError ERR_TFT_MODEL_INVALID when there are none or their sizes are wrong, ERR_TFT_MODEL_HASH. */
export async function readSamples(model: ModelDescription): Promise<BundleSamples> {
  const { samples, encoderLength, horizon } = model;
  if (samples === undefined) {
    throw new TFTError('ERR_TFT_MODEL_INVALID', `the bundle ${model.directory} has no sample windows`);
  }
  const { count, spread, tolerance, files } = samples;
  const read = async <T>(
    file: BundleFile,
    length: number,
    Values: new (buffer: ArrayBuffer) => T,
  ): Promise<T> => {
    const bytes = await readBundleFile(model, file);
    if (bytes.length !== count * length * 4) {
      throw new TFTError(
        'ERR_TFT_MODEL_INVALID',
        `${file.path} has ${bytes.length} bytes, but ${count} samples need ${count * length * 4}`,
      );
    }
    // A copy: a Buffer may begin anywhere in its memory, a typed array needs multiples of four.
    return new Values(new Uint8Array(bytes).buffer);
  };
  const categories = model.categories.length;
  return {
    count,
    spread,
    tolerance,
    monthTurn: new Set(samples.monthTurn ?? []),
    inputs: {
      encoderCont: await read(files.encoder_cont, encoderLength * model.metrics.length, Float32Array),
      encoderCat: await read(files.encoder_cat, encoderLength * categories, Int32Array),
      decoderCont: await read(files.decoder_cont, horizon * model.known.length, Float32Array),
      decoderCat: await read(files.decoder_cat, horizon * categories, Int32Array),
    },
    expected: await read(files.expected, horizon * model.quantiles.length, Float32Array),
  };
}
