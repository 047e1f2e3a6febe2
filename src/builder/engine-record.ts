// The record of a plan: everything that the plan depends on. It is a file beside the plan, in the cache and as
// NAME.engine.json elsewhere. It is written last, so a plan in the cache without a record is incomplete.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { describeIssues } from '../contract/errors.js';
import { PRECISIONS } from '../contract/names.js';
import { type CompleteBuildOptions, profileSchema } from './build-options.js';
import type { BuildTarget } from './build-target.js';
import { sha256OfFile } from './file-hash.js';
import type { OnnxSource } from './onnx-source.js';
import { formatCapability } from './rtx-targets.js';

/** Incremented when older plans or records must no longer be used. */
const FORMAT = 2;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

const keySchema = z.strictObject({
  format: z.literal(FORMAT, { error: 'is of another version of tft-tensorrt' }),
  tensorrt: z.string().min(1),
  gpu: z.string(),
  computeCapability: z.string(),
  cuda: z.int(),
  driver: z.string(),
  onnx: z.string().regex(/^[0-9a-f]{64}(\+[0-9a-f]{64})*$/),
  precision: z.enum(PRECISIONS),
  stronglyTyped: z.boolean(),
  profiles: z.array(profileSchema).min(1),
  workspaceBytes: z.int().positive(),
  optimizationLevel: z.int(),
  versionCompatible: z.boolean(),
  hardwareCompatibility: z.enum(['none', 'ampere+', 'sameComputeCapability']),
  refittable: z.boolean(),
  tf32: z.boolean(),
  detailedLayers: z.boolean(),
  /** The version and hash of this package's kernels that the builder could use; 'none' without kernels. */
  kernels: z.string().min(1),
  /** The hashes of the plugin libraries, in their order. */
  plugins: z.array(hash),
  /** Of a plan by TensorRT for RTX: the compute capabilities that were named (89 for 8.9), or none for `gpu`. */
  rtx: z.strictObject({ targets: z.array(z.int()) }).optional(),
});

const recordSchema = z.strictObject({
  key: keySchema,
  model: z.string(),
  onnxName: z.string(),
  onnxBytes: z.int().nonnegative(),
  plan: z.strictObject({ bytes: z.int().positive(), sha256: hash }),
  /** The kernels that the builder could use, and the parts of the model that run on them: if any, the plan needs them. */
  kernels: z.strictObject({ version: z.string().min(1), hash, fused: z.array(z.string()) }).optional(),
  /** The results of the check on the bundle's sample windows; absent if the plan was not checked. */
  check: z
    .array(
      z.strictObject({
        profile: z.int().nonnegative(),
        batch: z.int().positive(),
        largest: z.number().nonnegative(),
        within: z.number().min(0).max(1),
      }),
    )
    .min(1)
    .optional(),
  /** Of a plan for GPUs that were not here: how many layers of the parsed network give each type. */
  network: z.record(z.string(), z.int()).optional(),
  /** Of such a plan: the inputs and outputs of that network, with the batch first; -1 for a dimension that varies. */
  tensors: z
    .array(
      z.strictObject({ name: z.string(), input: z.boolean(), type: z.string(), shape: z.array(z.int()) }),
    )
    .optional(),
  created: z.iso.datetime(),
  buildSeconds: z.number().nonnegative(),
  builtBy: z.string(),
});

/** Everything that makes one plan differ from another of the same model. */
export type EngineKey = z.infer<typeof keySchema>;
/** The contents of a record. */
export type EngineRecord = z.infer<typeof recordSchema>;

/** @throws an Error if a plugin library cannot be read. */
export async function engineKey(
  target: BuildTarget,
  source: OnnxSource,
  options: CompleteBuildOptions,
): Promise<EngineKey> {
  const { tensorrt, gpu, computeCapability, cuda, driver } = target;
  const { plugins, kernels, ...built } = options;
  return {
    format: FORMAT,
    tensorrt,
    gpu,
    computeCapability,
    cuda,
    driver,
    onnx: source.sha256,
    precision: source.precision,
    stronglyTyped: source.stronglyTyped,
    ...built,
    profiles: built.profiles.map(({ min, opt, max }) => ({ min, opt, max })),
    kernels: kernels && target.kernels ? `${target.kernels.version} ${target.kernels.hash}` : 'none',
    plugins: await Promise.all(plugins.map(sha256OfFile)),
    ...(target.rtx && { rtx: { targets: [...(target.targets ?? [])] } }),
  };
}

/** Whether an engine that was built for named GPUs is what `here`, the key for the GPU here, asks for. */
export function isForGpuOf(built: EngineKey, here: EngineKey): boolean {
  const targets = built.rtx?.targets.map(formatCapability) ?? [];
  const { gpu, computeCapability, cuda, driver, rtx } = here;
  return (
    targets.includes(computeCapability) &&
    entryName({ ...built, gpu, computeCapability, cuda, driver, rtx }) === entryName(here)
  );
}

/** The beginning of the names of all entries with this ONNX file and precision. */
export function namePrefix({ onnx, precision }: Pick<EngineKey, 'onnx' | 'precision'>): string {
  return `${onnx.slice(0, 12)}-${precision}-`;
}

/** The name of a key's entry: ONNX file and precision, for people and searches, then 128 bits of the key's hash. */
export function entryName(key: EngineKey): string {
  // In the order of the schema, because a file may have another.
  const ordered = Object.keys(keySchema.shape)
    .map((name) => [name, key[name as keyof EngineKey]])
    .filter(([, value]) => value !== undefined);
  const digest = createHash('sha256').update(JSON.stringify(ordered)).digest('hex');
  return `${namePrefix(key)}${digest.slice(0, 32)}`;
}

const ENTRY_NAME = new RegExp(`^[0-9a-f]{12}-(${PRECISIONS.join('|')})-[0-9a-f]{32}$`);

/** Whether a file's name, without its extension, is that of an entry. Other files in the folder are left alone. */
export function isEntryName(name: string): boolean {
  return ENTRY_NAME.test(name);
}

/**
 * Reads a record.
 *
 * @returns the record; undefined if there is none; a string with the problem if it cannot be used.
 * @throws what reading throws, except for a file that does not exist.
 */
export async function readRecord(path: string): Promise<EngineRecord | string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'its record is not JSON';
  }
  const result = recordSchema.safeParse(json);
  return result.success
    ? result.data
    : `its record is damaged or foreign: ${describeIssues(result.error, 2)}`;
}

/** The path of the record of a plan outside of the cache. */
export function recordPathOf(plan: string): string {
  return `${plan}.json`;
}
