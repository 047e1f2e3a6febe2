// How a plan is built: the options of a build, their checks and defaults. All of them are part of the cache's key.
import { z } from 'zod';
import { describeIssues, TFTError } from '../contract/errors.js';

/** Batches that one optimisation profile is for; TensorRT tunes for `opt`. */
export interface Profile {
  readonly min: number;
  readonly opt: number;
  readonly max: number;
}

/** How TensorRT builds a plan. */
export interface BuildOptions {
  /** The batch sizes to build for; by default one profile for 1 to 32, tuned for 8. */
  profiles?: readonly Profile[] | undefined;
  /** The memory, in bytes, that TensorRT may use for trying out layers; 4 GiB by default. */
  workspaceBytes?: number | undefined;
  /** How thoroughly TensorRT searches, from 0 to 5; 3 by default. */
  optimizationLevel?: number | undefined;
  /**
   * Whether the plan also runs on later versions of TensorRT and on its lean runtime; false by default. It may be slower,
   * and it contains host code: loading it requires `tensorrt: { allowHostCode: true }`.
   */
  versionCompatible?: boolean | undefined;
  /** Which other GPUs the plan runs on; 'none' by default. With the others it may be slower. */
  hardwareCompatibility?: 'none' | 'ampere+' | 'sameComputeCapability' | undefined;
  /** Whether the weights can be replaced later; false by default. */
  refittable?: boolean | undefined;
  /** Whether FP32 products may be computed in TF32, with 10 bits of mantissa; false by default. */
  tf32?: boolean | undefined;
  /** Whether the plan keeps the details of its layers that `tft inspect` shows; true by default. */
  detailedLayers?: boolean | undefined;
  /**
   * Whether this package's CUDA kernels run the parts of the model that they support, several times as fast as TensorRT's
   * layers; true by default. TensorRT's layers run the other parts, and the log says why.
   */
  kernels?: boolean | undefined;
  /** Libraries with TensorRT plugins that the model needs. They run as code: name only libraries that you trust. */
  plugins?: readonly string[] | undefined;
}

const DEFAULT_MAX_BATCH = 32;
const DEFAULT_OPT_BATCH = 8;
const WORKSPACE_BYTES = 4 * 2 ** 30;

const batch = z.int().positive();

export const profileSchema = z
  .strictObject({ min: batch, opt: batch, max: batch })
  .refine(({ min, opt, max }) => min <= opt && opt <= max, 'min, opt and max must not fall');

const buildSchema = z.strictObject({
  profiles: z.array(profileSchema).min(1).max(16).optional(),
  workspaceBytes: z.int().positive().optional(),
  optimizationLevel: z.int().min(0).max(5).optional(),
  versionCompatible: z.boolean().optional(),
  hardwareCompatibility: z.enum(['none', 'ampere+', 'sameComputeCapability']).optional(),
  refittable: z.boolean().optional(),
  tf32: z.boolean().optional(),
  detailedLayers: z.boolean().optional(),
  kernels: z.boolean().optional(),
  plugins: z.array(z.string().min(1)).optional(),
} satisfies Record<keyof BuildOptions, unknown>);

/** Build options with their defaults filled in. */
export type CompleteBuildOptions = { readonly [K in keyof BuildOptions]-?: NonNullable<BuildOptions[K]> };

/**
 * Checks build options and fills in the defaults.
 *
 * @param maxBatch the largest batch that will be run: the default profile includes it.
 * @throws TFTError ERR_TFT_OPTION.
 */
export function completeBuildOptions(
  options: BuildOptions | undefined,
  maxBatch = DEFAULT_MAX_BATCH,
): CompleteBuildOptions {
  const result = buildSchema.safeParse(options ?? {});
  if (!result.success) {
    throw new TFTError('ERR_TFT_OPTION', `build options: ${describeIssues(result.error)}`, {
      cause: result.error,
    });
  }
  const given = result.data;
  const max = Math.max(DEFAULT_MAX_BATCH, maxBatch);
  return {
    profiles: given.profiles ?? [{ min: 1, opt: DEFAULT_OPT_BATCH, max }],
    workspaceBytes: given.workspaceBytes ?? WORKSPACE_BYTES,
    optimizationLevel: given.optimizationLevel ?? 3,
    versionCompatible: given.versionCompatible ?? false,
    hardwareCompatibility: given.hardwareCompatibility ?? 'none',
    refittable: given.refittable ?? false,
    tf32: given.tf32 ?? false,
    detailedLayers: given.detailedLayers ?? true,
    kernels: given.kernels ?? true,
    plugins: given.plugins ?? [],
  };
}
