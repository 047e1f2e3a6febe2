// ONNX files, as far as they are read here.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readChannels, readOnnx } from '../../../lib/builder/onnx-file.js';
import { TFTError } from '../../../lib/contract/errors.js';
import { ownFolder, TINY } from './tiny.mjs';

const file = join(ownFolder(), 'model.onnx');
const good = readFileSync(join(TINY, 'model.onnx'));

export const name = 'onnx';
export const words = [
  '\x80',
  '\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01',
  '\x3a',
  '\x42',
  '\xff\xff\xff\xff\x0f',
  'ai.onnx',
];
export const seeds = () => [
  good.subarray(0, 4096),
  Buffer.from('3a00', 'hex'),
  Buffer.from('080a3a040a020a00', 'hex'),
];

export async function run(bytes) {
  writeFileSync(file, bytes);
  for (const read of [readOnnx, (path) => readChannels(path, 'decoder_cat')]) {
    try {
      await read(file);
    } catch (error) {
      if (!(error instanceof TFTError)) throw error;
    }
  }
}
