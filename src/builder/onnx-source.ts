// Chooses the ONNX file for a plan's precision. The precision is part of the graph: FP16 and INT8 have their own graphs,
// the bundle's variants. Without a variant TensorRT 10 can choose FP16 or INT8 layers itself, with unverified accuracy;
// TensorRT 11 cannot.

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import { type BundleFile, verifyBundleFile } from '../contract/model.js';
import { type Precision, VARIANT_PRECISIONS } from '../contract/names.js';
import type { BuildableModel } from './buildable-model.js';
import { sha256OfFile } from './file-hash.js';

/** What a plan is built from. */
export interface OnnxSource {
  readonly path: string;
  readonly bytes: number;
  /** The hash of the file, followed by '+' and the hash of each separate file of weights. */
  readonly sha256: string;
  readonly precision: Precision;
  /** Whether the graph alone determines the precision of each layer. */
  readonly stronglyTyped: boolean;
}

export interface SourceOptions {
  readonly precision: Precision;
  /** Whether TensorRT takes the precision from the graph alone. */
  readonly stronglyTypedOnly: boolean;
  readonly verifyHash: boolean;
}

/** The precision of a model's ONNX file: that of the variant it is, else FP32. */
export function precisionOfOnnx(model: BuildableModel): Precision {
  for (const precision of VARIANT_PRECISIONS) {
    const file = model.variants?.[precision]?.file;
    if (file && join(model.directory, file.path) === model.onnxPath) return precision;
  }
  return 'fp32';
}

/**
 * The file for a precision.
 *
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_HASH; ERR_TFT_UNSUPPORTED if there is no graph in this
 *   precision and TensorRT cannot lower another.
 */
export async function chooseOnnx(
  model: BuildableModel,
  { precision, stronglyTypedOnly, verifyHash }: SourceOptions,
  log: Log,
): Promise<OnnxSource> {
  const given = precisionOfOnnx(model);
  if (given === precision) return describeSource(model.onnxPath, precision, true);
  if (given !== 'fp32') {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${model.onnxPath} is in ${given}, not in ${precision}; name the bundle's folder instead`,
    );
  }
  const variant = precision === 'fp32' ? undefined : model.variants?.[precision];
  if (variant) {
    await mustExist(model, variant.file, precision);
    if (verifyHash) await verifyBundleFile(model, variant.file);
    return describeSource(join(model.directory, variant.file.path), precision, true);
  }
  if (stronglyTypedOnly) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${model.directory} has no ${precision} variant of the model, and this TensorRT takes the precision from ` +
        `the graph alone; 'tft-export variants ${model.directory}' makes it`,
    );
  }
  log({
    level: 'warn',
    message:
      `${model.directory} has no ${precision} variant of the model: TensorRT chooses the layers that it computes in ` +
      `${precision}, with unverified accuracy; 'tft-export variants' makes a verified variant`,
  });
  return describeSource(model.onnxPath, precision, false);
}

async function mustExist(model: BuildableModel, file: BundleFile, precision: Precision): Promise<void> {
  const path = join(model.directory, file.path);
  if (existsSync(path)) return;
  throw new TFTError(
    'ERR_TFT_MODEL_NOT_FOUND',
    `${path}, which model.json names as the ${precision} variant, is missing; copy the whole bundle, or run ` +
      `'tft-export variants ${model.directory}'`,
    { details: { path } },
  );
}

async function describeSource(
  path: string,
  precision: Precision,
  stronglyTyped: boolean,
): Promise<OnnxSource> {
  try {
    const { size } = await stat(path);
    const hashes = [await sha256OfFile(path)];
    for (const weights of [`${path}.data`, `${path}_data`]) {
      if (existsSync(weights)) hashes.push(await sha256OfFile(weights));
    }
    return { path, bytes: size, sha256: hashes.join('+'), precision, stronglyTyped };
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_MODEL_NOT_FOUND',
      `${basename(path)} cannot be read: ${(cause as Error).message}`,
      {
        cause,
        details: { path },
      },
    );
  }
}
