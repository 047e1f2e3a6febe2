// The version of NVIDIA's kernel driver; CUDA's driver API only tells the newest CUDA that it runs.
import { readFileSync } from 'node:fs';

/** Like 580.95.05; undefined where there is none, or it does not tell. */
export function driverVersion(): string | undefined {
  try {
    return /Kernel Module\D*([\d.]+)/.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
