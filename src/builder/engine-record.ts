// The record of a built plan: everything that it depends on. It lies beside the plan, as the cache's entry and as
// NAME.engine.json, and is written last: a plan without a record is not trusted.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { describeIssues } from '../contract/errors.js';
import { PRECISIONS } from '../contract/names.js';
import { type CompleteBuildOptions, profileSchema } from './build-options.js';
import type { BuildTarget } from './build-target.js';
import { sha256OfFile } from './file-hash.js';
import type { OnnxSource } from './onnx-source.js';

/** Raised when plans or records of before must not be used any more. */
const FORMAT = 1;

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
  /** The plugins' hashes, in their order. */
  plugins: z.array(hash),
});

const recordSchema = z.strictObject({
  key: keySchema,
  model: z.string(),
  onnxName: z.string(),
  onnxBytes: z.int().nonnegative(),
  plan: z.strictObject({ bytes: z.int().positive(), sha256: hash }),
  created: z.iso.datetime(),
  buildSeconds: z.number().nonnegative(),
  builtBy: z.string(),
});

/** Everything that makes one plan differ from another of the same model. */
export type EngineKey = z.infer<typeof keySchema>;
/** What is written beside a plan. */
export type EngineRecord = z.infer<typeof recordSchema>;

/** @throws an Error where a plugin cannot be read. */
export async function engineKey(
  target: BuildTarget,
  source: OnnxSource,
  options: CompleteBuildOptions,
): Promise<EngineKey> {
  const { tensorrt, gpu, computeCapability, cuda, driver } = target;
  const { plugins, ...built } = options;
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
    plugins: await Promise.all(plugins.map(sha256OfFile)),
  };
}

/** How names of entries begin whose ONNX file and precision are these, whatever else they depend on. */
export function namePrefix({ onnx, precision }: Pick<EngineKey, 'onnx' | 'precision'>): string {
  return `${onnx.slice(0, 12)}-${precision}-`;
}

/** The name of a key's entry: 128 bits of the key's hash, after what tells people and searches most. */
export function entryName(key: EngineKey): string {
  // In the schema's order, whatever order a file has.
  const ordered = Object.keys(keySchema.shape).map((name) => [name, key[name as keyof EngineKey]]);
  const digest = createHash('sha256').update(JSON.stringify(ordered)).digest('hex');
  return `${namePrefix(key)}${digest.slice(0, 32)}`;
}

const ENTRY_NAME = new RegExp(`^[0-9a-f]{12}-(${PRECISIONS.join('|')})-[0-9a-f]{32}$`);

/** Whether a file's name, without its extension, is one of ours: others in the folder are left alone. */
export function isEntryName(name: string): boolean {
  return ENTRY_NAME.test(name);
}

/**
 * Reads a record.
 *
 * @returns undefined where there is none; a string that says what is wrong with one that cannot be used.
 * @throws what reading throws, but for a file that is not there.
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

/** Where the record of a plan outside of the cache lies. */
export function recordPathOf(plan: string): string {
  return `${plan}.json`;
}
