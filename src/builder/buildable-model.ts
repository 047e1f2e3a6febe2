// A model that a plan can be built from: a bundle, or an ONNX file without a model.json.

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TFTError } from '../contract/errors.js';
import { locate } from '../contract/locate.js';
import { bundleFiles, loadModel, type ModelDescription } from '../contract/model.js';
import { INPUTS, PREDICTIONS, VARIANT_PRECISIONS } from '../contract/names.js';
import { sha256OfFile } from './file-hash.js';
import { readOnnx } from './onnx-file.js';

/** The part of a model's description that building needs. */
export type BuildableModel = Pick<
  ModelDescription,
  'name' | 'directory' | 'onnxPath' | 'files' | 'variants' | 'inputs' | 'outputs'
>;

/**
 * Reads model.json. For an ONNX file without one, or with one that describes another file, reads the file's own tensors;
 * its variants are then NAME.fp16.onnx and NAME.int8.onnx.
 *
 * @param verifyHash whether a file must be the one that model.json describes.
 *
 * @throws TFTError as `loadModel`; ERR_TFT_MODEL_INVALID if the file does not have the tensors of the contract.
 */
export async function readBuildable(path: string, verifyHash: boolean): Promise<BuildableModel> {
  const { kind, path: given, isDescribed } = locate(path);
  if (kind !== 'onnx') return loadModel(path, { verifyHash });
  if (isDescribed) {
    const model = await loadModel(path, { verifyHash });
    if (verifyHash || (await describes(model, given))) return model;
  }
  const { inputs, outputs } = await readOnnx(given);
  const stem = given.slice(0, -'.onnx'.length);
  return {
    name: basename(stem),
    directory: dirname(given),
    onnxPath: given,
    files: {},
    variants: Object.fromEntries(
      await Promise.all(
        VARIANT_PRECISIONS.map(async (precision) => [
          precision,
          await variantAt(`${stem}.${precision}.onnx`),
        ]),
      ),
    ),
    inputs: named(INPUTS, inputs).map((name) => find(given, inputs, name)),
    outputs: named([PREDICTIONS], outputs).map((name) => find(given, outputs, name)),
  };
}

/** Whether a description is of this file, even if the file has another name. */
async function describes(model: ModelDescription, path: string): Promise<boolean> {
  const files = bundleFiles(model);
  if (files.some((file) => join(model.directory, file.path) === path)) return true;
  return model.files.onnx?.sha256 === (await sha256OfFile(path));
}

async function variantAt(path: string) {
  if (!existsSync(path)) return undefined;
  return { file: { path: basename(path), bytes: (await stat(path)).size, sha256: await sha256OfFile(path) } };
}

/** The names of the contract's tensors, then of the file's further ones. */
function named(contract: readonly { name: string }[], found: readonly { name: string }[]): string[] {
  return [...new Set([...contract, ...found].map(({ name }) => name))];
}

function find(
  path: string,
  tensors: Awaited<ReturnType<typeof readOnnx>>['inputs'],
  name: string,
): ModelDescription['inputs'][number] {
  const tensor = tensors.find((candidate) => candidate.name === name);
  const [batch, steps, channels] = tensor?.shape ?? [];
  const type = tensor?.type;
  if (typeof steps !== 'number' || typeof channels !== 'number' || (type !== 'float32' && type !== 'int32')) {
    const found = tensor ? `${type} [${tensor.shape.join(', ')}]` : 'missing';
    throw new TFTError(
      'ERR_TFT_MODEL_INVALID',
      `${path}: ${name} is ${found}, expected float32 or int32 [batch, steps, channels] with fixed steps and ` +
        "channels; 'tft-export export' makes such a file",
    );
  }
  return { name, type, shape: [String(batch), steps, channels] };
}
