// The processor of this machine, as the backends that compute on it use and name it.
import { availableParallelism, cpus } from 'node:os';

/** Each lane has its own intermediate results, with ONNX Runtime a model of its own too, so memory limits their number. */
const MAX_LANES = 8;

/** As many lanes as an engine of the addon takes for each device (cpp/engine/option_checks.h). */
export const MAX_ADDON_LANES = 64;

/** The number of computing threads, unless the options name one. */
export function defaultLanes(): number {
  return Math.min(availableParallelism(), MAX_LANES);
}

/** The processor as an engine's device. */
export function processorName(): string {
  return `CPU (${cpus()[0]?.model.trim() || process.arch})`;
}
