// NVML's figures of the GPUs under Triton's names, if there are GPUs and the native addon loads.
// See https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html#gpu-metrics
import { Gauge, type Registry } from 'prom-client';
import type { GpuStatus } from '../../native/addon.js';
import { loadAddon } from '../../native/load-addon.js';

interface GpuMetric {
  readonly name: string;
  readonly help: string;
  readonly value: (status: GpuStatus) => number | undefined;
}

const METRICS: readonly GpuMetric[] = [
  {
    name: 'nv_gpu_utilization',
    help: 'GPU utilization rate [0.0 - 1.0)',
    value: ({ utilization }) => utilization,
  },
  { name: 'nv_gpu_power_usage', help: 'GPU power usage in watts', value: ({ powerWatts }) => powerWatts },
  {
    name: 'nv_gpu_power_limit',
    help: 'GPU power management limit in watts',
    value: ({ powerLimitWatts }) => powerLimitWatts,
  },
  {
    name: 'nv_energy_consumption',
    help: 'GPU energy consumption in joules since the driver was loaded',
    value: ({ energyJoules }) => energyJoules,
  },
  {
    name: 'nv_gpu_memory_total_bytes',
    help: 'GPU total memory, in bytes',
    value: ({ memoryTotalBytes }) => memoryTotalBytes,
  },
  {
    name: 'nv_gpu_memory_used_bytes',
    help: 'GPU used memory, in bytes',
    value: ({ memoryUsedBytes }) => memoryUsedBytes,
  },
];

/** The function that queries the GPUs; undefined if the native addon is missing. */
export function gpuStatusReader(): (() => Promise<GpuStatus[]>) | undefined {
  try {
    const addon = loadAddon();
    return () => addon.gpuStatus();
  } catch {
    return undefined;
  }
}

/** Registers the metrics if there is a GPU that reports any. A machine without a GPU has none of them. */
export async function registerGpuMetrics(
  registry: Registry,
  read: () => Promise<readonly GpuStatus[]>,
): Promise<void> {
  const gpus = await read();
  // A scrape collects each metric separately, but the GPUs are queried once for all of them.
  let latest: Promise<readonly GpuStatus[]> | undefined;
  const current = () => {
    latest ??= read().finally(() => {
      latest = undefined;
    });
    return latest;
  };
  for (const { name, help, value } of METRICS) {
    if (gpus.every((status) => value(status) === undefined)) continue;
    new Gauge({
      name,
      help,
      labelNames: ['gpu_uuid'],
      registers: [registry],
      async collect() {
        for (const status of await current()) {
          const now = value(status);
          if (now !== undefined) this.set({ gpu_uuid: status.uuid }, now);
        }
      },
    });
  }
}
