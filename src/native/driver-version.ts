// The version of NVIDIA's kernel driver. CUDA's driver API only reports the newest CUDA version that it supports.
import { readFileSync } from 'node:fs';

/** Such as 580.95.05; undefined if there is no driver or no version can be read. */
export function driverVersion(): string | undefined {
  try {
    return /Kernel Module\D*([\d.]+)/.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
