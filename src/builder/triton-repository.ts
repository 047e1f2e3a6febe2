// Writes a model repository for NVIDIA's Triton Inference Server: config.pbtxt, and the ONNX file of a bundle or a plan of it.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TFTError } from '../contract/errors.js';
import { loadModel, type ModelDescription, readBundleFile } from '../contract/model.js';
import type { Precision } from '../contract/names.js';
import { modelTensors } from '../contract/tensors.js';
import { type InstanceKind, tritonConfig } from '../kserve/triton-config.js';
import { readPlanRecord } from './inspect-engine.js';
import { graphHash, graphHashes } from './staleness.js';

/** Options of {@link writeTritonRepository}. */
export interface TritonRepositoryOptions {
  /** The model's name in Triton; the bundle's by default. */
  name?: string | undefined;
  /** The graph to serve: the FP32 one by default, else the bundle's variant. */
  precision?: Precision | undefined;
  /** A TensorRT plan of the bundle to serve instead, with its record beside it, as `tft build` writes them. */
  plan?: string | undefined;
  /** The largest number of series in one run; 32 by default, and of a plan what it can take. */
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
  /** The ONNX file or plan. */
  readonly model: string;
  /** Whether Triton must be given this package's plugin library, without which the plan does not load. */
  readonly needsPlugins: boolean;
}

/** What Triton runs. */
interface Runnable {
  readonly file: string;
  readonly content: Uint8Array;
  readonly maxBatch: number;
  /** Of a plan. */
  readonly profiles?: number;
  readonly needsPlugins: boolean;
}

const VERSION = '1';
const MAX_BATCH = 32;

/**
 * Writes `OUT/NAME/config.pbtxt` and `OUT/NAME/1/model.onnx`, or `model.plan`. Existing files are never overwritten, since a configuration may
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
    instances = 1,
    plan,
    kind = plan === undefined ? 'auto' : 'gpu',
  } = options;
  if (!/^[\w-][\w.-]*$/.test(name)) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `name: '${name}' cannot be the name of a folder in a repository; use letters, digits, '_', '-' and '.'`,
    );
  }
  for (const [option, value] of Object.entries({ maxBatch: options.maxBatch, instances })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
      throw new TFTError('ERR_TFT_OPTION', `${option}: found ${value}, expected a whole number from 1`);
    }
  }
  if (plan !== undefined && kind === 'cpu')
    throw new TFTError('ERR_TFT_OPTION', "kind: a plan runs on a GPU; found 'cpu'");
  const found = await (plan === undefined
    ? graphOf(description, options.precision)
    : planOf(description, plan));
  const { file, content, profiles, needsPlugins } = found;
  const maxBatch = options.maxBatch ?? found.maxBatch;
  if (profiles !== undefined && maxBatch > found.maxBatch) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `maxBatch: found ${maxBatch}, and ${plan} takes at most ${found.maxBatch} series`,
    );
  }
  const text = tritonConfig({ name, file, maxBatch, instances, kind, profiles }, modelTensors(description));
  const folder = join(out, name);
  const config = join(folder, 'config.pbtxt');
  const written = { name, config, model: join(folder, VERSION, file), needsPlugins };
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

async function graphOf(description: ModelDescription, precision: Precision = 'fp32'): Promise<Runnable> {
  const file = precision === 'fp32' ? description.files.onnx : description.variants?.[precision]?.file;
  if (file === undefined) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `${description.directory} has no graph in ${precision}; 'tft-export variants ${description.directory}' makes it`,
    );
  }
  const content = await readBundleFile(description, file);
  return { file: 'model.onnx', content, maxBatch: MAX_BATCH, needsPlugins: false };
}

/** @throws TFTError ERR_TFT_OPTION for a plan without a record, of another model, or of TensorRT for RTX. */
async function planOf(model: ModelDescription, path: string): Promise<Runnable> {
  const content = await readFile(path).catch((cause: Error) => {
    throw new TFTError('ERR_TFT_FILE', `plan: ${cause.message}`, { cause, details: { path } });
  });
  const record = await readPlanRecord(path);
  if (record === undefined) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `plan: ${path} has no record of its own beside it, as 'tft build' writes it`,
    );
  }
  if (!graphHashes(model).includes(graphHash(record.key))) {
    throw new TFTError('ERR_TFT_OPTION', `plan: ${path} was not built from a graph of ${model.directory}`);
  }
  const { profiles, plugins, rtx } = record.key;
  if (rtx !== undefined) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `plan: ${path} was built by TensorRT for RTX, whose plans Triton's TensorRT backend does not load`,
    );
  }
  const needsPlugins = plugins.length > 0 || (record.kernels?.fused.length ?? 0) > 0;
  const maxBatch = Math.max(...profiles.map(({ max }) => max));
  return { file: 'model.plan', content, maxBatch, profiles: profiles.length, needsPlugins };
}
