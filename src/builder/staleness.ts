// Compares a plan's record with this machine and model, and names every difference with both sides.
import type { ModelDescription } from '../contract/model.js';
import type { BuildTarget } from './build-target.js';
import type { EngineRecord } from './engine-record.js';
import { formatCapability } from './rtx-targets.js';

/**
 * The differences between a plan's record and this machine and model; an empty list if it fits. Without a model, the ONNX
 * file that it was built from is not compared.
 *
 * Plans stay valid when the driver or CUDA changes, so these are not compared. (The cache, which can build again, does
 * distinguish them.)
 */
export function staleness(
  { key, kernels }: EngineRecord,
  target: BuildTarget,
  model: ModelDescription | undefined,
): string[] {
  const differences: string[] = [];
  const differ = (what: string, built: string, here: string) =>
    differences.push(`it was built ${what} ${built}, but here it is ${here}`);
  const { tensorrt, versionCompatible, hardwareCompatibility } = key;
  const sameVersion = versionCompatible
    ? runsOnLater(tensorrt, target.tensorrt)
    : tensorrt === target.tensorrt;
  if (!sameVersion) differ('by TensorRT', tensorrt, target.tensorrt);
  if (key.rtx !== undefined && key.rtx.targets.length > 0) {
    if (!key.rtx.targets.map(formatCapability).includes(target.computeCapability))
      differ(
        'for GPUs of compute capability',
        key.computeCapability,
        `${target.computeCapability} (${target.gpu})`,
      );
  } else if (key.computeCapability !== target.computeCapability) {
    const both = Math.min(Number(key.computeCapability), Number(target.computeCapability));
    if (hardwareCompatibility !== 'ampere+' || both < 8) {
      differ(
        'for a GPU of compute capability',
        `${key.computeCapability} (${key.gpu})`,
        `${target.computeCapability} (${target.gpu})`,
      );
    }
  } else if (key.gpu !== target.gpu && hardwareCompatibility === 'none') {
    differ('for the GPU', key.gpu, target.gpu);
  }
  if (kernels && kernels.fused.length > 0 && kernels.version !== target.kernels?.version) {
    differ('with kernels of version', kernels.version, target.kernels ? target.kernels.version : 'none');
  }
  const hashes = model === undefined ? [] : graphHashes(model);
  const onnx = graphHash(key);
  if (hashes.length > 0 && !hashes.includes(onnx)) {
    differ('from a model with SHA-256', `${onnx.slice(0, 12)}…`, `${(hashes[0] as string).slice(0, 12)}…`);
  }
  return differences;
}

/** The hashes of a model's graphs. */
export function graphHashes({ files, variants }: ModelDescription): string[] {
  const all = [files.onnx, ...Object.values(variants ?? {}).map((variant) => variant?.file)];
  return all.flatMap((file) => (file ? [file.sha256] : []));
}

/** The hash of the graph that a plan was built from; those of files beside it follow in the key. */
export function graphHash({ onnx }: EngineRecord['key']): string {
  return onnx.split('+')[0] as string;
}

/** A version-compatible plan runs on the version that built it and on later ones with the same major number. */
function runsOnLater(built: string, here: string): boolean {
  const from = built.split('.').map(Number);
  const to = here.split('.').map(Number);
  if (from[0] !== to[0]) return false;
  for (let place = 1; place < 3; place++) {
    const difference = (to[place] ?? 0) - (from[place] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
