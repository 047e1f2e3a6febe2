// The GPUs' figures at /metrics, over the double of NVML.
import { dirname, join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { loadAddon } from '../../src/native/load-addon.js';
import { registerGpuMetrics } from '../../src/service/observe/gpu-metrics.js';
import { onDoubles, whatIsMissing } from '../fixtures/doubles.js';

test.skipIf(whatIsMissing())('each GPU has Triton’s metrics, as far as it reports them', async () => {
  const library = join(dirname(onDoubles().cudaPath as string), 'libnvidia-ml.so.1');
  const registry = new Registry();
  await registerGpuMetrics(registry, () => loadAddon().gpuStatus(library));
  const text = await registry.metrics();
  expect(text).toContain('nv_gpu_utilization{gpu_uuid="GPU-double-0"} 0.62');
  expect(text).toContain('nv_gpu_power_usage{gpu_uuid="GPU-double-0"} 321.5');
  expect(text).toContain('nv_energy_consumption{gpu_uuid="GPU-double-0"} 5000.25');
  expect(text).toContain('nv_gpu_memory_used_bytes{gpu_uuid="GPU-double-1"} 600');
  expect(text).not.toContain('nv_gpu_power_usage{gpu_uuid="GPU-double-1"}');
});

test('a machine without a GPU has none of them', async () => {
  const registry = new Registry();
  await registerGpuMetrics(registry, async () => []);
  expect(await registry.metrics()).not.toContain('nv_gpu');
});
