// Watches a process's resident memory during a measurement.
import { residentBytes } from './processes.js';

const EVERY_MS = 250;
const MIB = 2 ** 20;

/** Memory in MiB over the watched time. */
export interface MemorySeen {
  readonly first: number;
  /** The mean of the second quarter, after the initial allocations. */
  readonly early: number;
  /** The mean of the last quarter. */
  readonly late: number;
  readonly most: number;
}

/** Starts watching; call the returned function to stop. */
export function watchMemory(pid: number): () => MemorySeen {
  const seen = [residentBytes(pid) / MIB];
  const timer = setInterval(() => seen.push(residentBytes(pid) / MIB), EVERY_MS);
  return () => {
    clearInterval(timer);
    seen.push(residentBytes(pid) / MIB);
    const quarter = seen.length / 4;
    const mean = (from: number, to: number) => {
      const part = seen.slice(Math.floor(from), Math.max(Math.floor(from) + 1, Math.floor(to)));
      return part.reduce((sum, value) => sum + value, 0) / part.length;
    };
    return {
      first: seen[0] as number,
      early: mean(quarter, 2 * quarter),
      late: mean(3 * quarter, seen.length),
      most: Math.max(...seen),
    };
  };
}
