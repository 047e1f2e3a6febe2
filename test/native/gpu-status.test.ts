// The state of the GPUs, over the double of NVML.
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadAddon } from '../../src/native/load-addon.js';
import { onDoubles, whatIsMissing } from '../fixtures/doubles.js';

test.skipIf(whatIsMissing())('each GPU is reported in watts, joules and bytes', async () => {
  const library = join(dirname(onDoubles().cudaPath as string), 'libnvidia-ml.so.1');
  expect(await loadAddon().gpuStatus(library)).toEqual([
    {
      uuid: 'GPU-double-0',
      name: 'Double 0',
      utilization: 0.62,
      powerWatts: 321.5,
      powerLimitWatts: 700,
      energyJoules: 5000.25,
      memoryTotalBytes: 1000,
      memoryUsedBytes: 600,
    },
    { uuid: 'GPU-double-1', name: 'Double 1', memoryTotalBytes: 1000, memoryUsedBytes: 600 },
  ]);
  expect(await loadAddon().gpuStatus('/nowhere/libnvidia-ml.so.1')).toEqual([]);
});
