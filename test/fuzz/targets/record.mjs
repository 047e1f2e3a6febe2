// The records of plans, which decide whether a plan is taken and whether it was checked.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryName, readRecord } from '../../../lib/builder/engine-record.js';
import { ownFolder } from './tiny.mjs';

const file = join(ownFolder(), 'plan.json');
const hash = 'ab'.repeat(32);
const good = {
  key: {
    ...{
      format: 2,
      tensorrt: '10.15.1.29',
      gpu: 'H200',
      computeCapability: '9.0',
      cuda: 13000,
      driver: '580',
      onnx: hash,
    },
    ...{ precision: 'fp32', stronglyTyped: true, profiles: [{ min: 1, opt: 8, max: 32 }], workspaceBytes: 1 },
    ...{
      optimizationLevel: 3,
      versionCompatible: false,
      hardwareCompatibility: 'none',
      refittable: false,
      tf32: false,
    },
    ...{ detailedLayers: false, kernels: 'none', plugins: [hash] },
  },
  ...{ model: 'tiny', onnxName: 'model.onnx', onnxBytes: 1, plan: { bytes: 1, sha256: hash } },
  ...{ check: [{ profile: 0, batch: 1, largest: 0, within: 1 }], created: '2026-03-01T00:00:00.000Z' },
  ...{ buildSeconds: 1, builtBy: '0.1.0' },
};

export const name = 'record';
export const words = ['null', '[]', '{}', '-1', '"fp16"', '"none"', '1e308', '"__proto__":', '"check":[]'];
export const seeds = () => [Buffer.from(JSON.stringify(good))];

export async function run(bytes) {
  writeFileSync(file, bytes);
  const record = await readRecord(file);
  if (typeof record === 'object') entryName(record.key);
  else if (typeof record !== 'string') throw new Error('a file that is there was not found');
}
