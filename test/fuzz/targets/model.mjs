// model.json. What is taken has sizes that can be computed with.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TFTError } from '../../../lib/contract/errors.js';
import { Contract, emptyInputs } from '../../../lib/contract/inputs.js';
import { loadModel } from '../../../lib/contract/model.js';
import { modelTensors } from '../../../lib/contract/tensors.js';
import { ownFolder, TINY } from './tiny.mjs';

const folder = ownFolder();
copyFileSync(join(TINY, 'model.onnx'), join(folder, 'model.onnx'));
const good = readFileSync(join(TINY, 'model.json'), 'utf8');

export const name = 'model';
export const words = [
  'null',
  '0',
  '-1',
  '1e308',
  '[]',
  '{}',
  '""',
  'true',
  '"static"',
  '"known"',
  '"float32"',
  '"../x"',
  '"__proto__"',
  '"hour"',
];
export const seeds = () => [Buffer.from(JSON.stringify(JSON.parse(good))), Buffer.from(`\uFEFF${good}`)];

export async function run(bytes) {
  writeFileSync(join(folder, 'model.json'), bytes);
  try {
    const model = await loadModel(folder);
    for (const { size } of [...modelTensors(model).inputs, ...modelTensors(model).outputs])
      if (!Number.isSafeInteger(size) || size < 1) throw new Error(`a tensor of ${size} values`);
    if (modelTensors(model).inputs.every(({ size }) => size < 1e6))
      new Contract(model).accept(emptyInputs(model, 1));
  } catch (error) {
    if (!(error instanceof TFTError)) throw error;
  }
}
