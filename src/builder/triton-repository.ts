// Writes a model repository for NVIDIA's Triton Inference Server: config.pbtxt and the ONNX file of a bundle.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TFTError } from '../contract/errors.js';
import { loadModel, readBundleFile } from '../contract/model.js';
import type { Precision } from '../contract/names.js';
import { modelTensors } from '../contract/tensors.js';
import { type InstanceKind, tritonConfig } from '../kserve/triton-config.js';

/** Options of {@link writeTritonRepository}. */
export interface TritonRepositoryOptions {
  /** The model's name in Triton; the bundle's by default. */
  name?: string | undefined;
  /** The graph to serve: the FP32 one by default, else the bundle's variant. */
  precision?: Precision | undefined;
  /** The largest number of series in one run; 32 by default. */
  maxBatch?: number | undefined;
  /** Copies of the model that run at once on each device; 1 by default. */
  instances?: number | undefined;
  /** Where they run; 'auto', the default, is a GPU if there is one. */
  kind?: InstanceKind | undefined;
}

/** What was written. */
export interface TritonRepository {
  readonly name: string;
  /** config.pbtxt. */
  readonly config: string;
  /** The ONNX file. */
  readonly model: string;
}

const FILE = 'model.onnx';
const VERSION = '1';

/**
 * Writes `OUT/NAME/config.pbtxt` and `OUT/NAME/1/model.onnx`. Existing files are never overwritten, since a configuration may
 * have been edited.
 *
 * @param bundle as for `loadModel`.
 * @param out the repository's folder; it may already have other models.
 * @throws TFTError ERR_TFT_OPTION, ERR_TFT_FILE, ERR_TFT_UNSUPPORTED, ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_INVALID,
 *   ERR_TFT_MODEL_HASH.
 */
export async function writeTritonRepository(
  bundle: string,
  out: string,
  options: TritonRepositoryOptions = {},
): Promise<TritonRepository> {
  const description = await loadModel(bundle, { verifyHash: false });
  const {
    name = description.name,
    precision = 'fp32',
    maxBatch = 32,
    instances = 1,
    kind = 'auto',
  } = options;
  if (!/^[\w-][\w.-]*$/.test(name)) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `name: '${name}' cannot be the name of a folder in a repository; use letters, digits, '_', '-' and '.'`,
    );
  }
  for (const [option, value] of Object.entries({ maxBatch, instances })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new TFTError('ERR_TFT_OPTION', `${option}: found ${value}, expected a whole number from 1`);
    }
  }
  const file = precision === 'fp32' ? description.files.onnx : description.variants?.[precision]?.file;
  if (file === undefined) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${description.directory} has no graph in ${precision}; 'tft-export variants ${description.directory}' makes it`,
    );
  }
  const content = await readBundleFile(description, file);
  const text = tritonConfig({ name, file: FILE, maxBatch, instances, kind }, modelTensors(description));
  const folder = join(out, name);
  const written = { name, config: join(folder, 'config.pbtxt'), model: join(folder, VERSION, FILE) };
  try {
    await mkdir(join(folder, VERSION), { recursive: true });
    // The model comes first: Triton that watches the folder finds the configuration only when it can be used.
    await writeFile(written.model, content, { flag: 'wx' });
    await writeFile(written.config, text, { flag: 'wx' });
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new TFTError(
      'ERR_TFT_FILE',
      exists
        ? `${folder} has the model already; remove it, or write under another name`
        : `${folder} cannot be written: ${(cause as Error).message}`,
      { cause, details: { path: folder } },
    );
  }
  return written;
}
