// `tft triton-repository`: the text of config.pbtxt and the files. No Triton has read them here.
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeTritonRepository } from '../../src/entries/build.js';
import { bundles } from '../fixtures/bundles.js';
import { TINY, tft } from './tft.js';

const TINY_CONFIG = `name: "tiny"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 32
input [
  {
    name: "encoder_cont"
    data_type: TYPE_FP32
    dims: [ 6, 3 ]
  },
  {
    name: "encoder_cat"
    data_type: TYPE_INT32
    dims: [ 6, 2 ]
  },
  {
    name: "decoder_cont"
    data_type: TYPE_FP32
    dims: [ 4, 2 ]
  },
  {
    name: "decoder_cat"
    data_type: TYPE_INT32
    dims: [ 4, 2 ]
  }
]
output [
  {
    name: "predictions"
    data_type: TYPE_FP32
    dims: [ 4, 3 ]
  }
]
dynamic_batching { }
instance_group [
  {
    count: 1
    kind: KIND_AUTO
  }
]
`;

const folder = () => mkdtempSync(join(tmpdir(), 'tft-triton-'));

test('writes the configuration and the graph, and overwrites nothing', async () => {
  const out = folder();
  const { status, stdout } = await tft(['triton-repository', TINY, out]);
  expect(status).toBe(0);
  const config = join(out, 'tiny/config.pbtxt');
  expect(stdout).toBe(`${config}\n${join(out, 'tiny/1/model.onnx')}\n`);
  expect(readFileSync(config, 'utf8')).toBe(TINY_CONFIG);
  expect(readFileSync(join(out, 'tiny/1/model.onnx'))).toEqual(readFileSync(join(TINY, 'model.onnx')));
  writeFileSync(config, 'edited');
  const again = await tft(['triton-repository', TINY, out]);
  expect(again.status).not.toBe(0);
  expect(again.stderr).toContain('has the model already');
  expect(readFileSync(config, 'utf8')).toBe('edited');
});

test('takes a name, a batch, instances and a precision', async () => {
  const out = folder();
  const options = { name: 'other', maxBatch: 8, instances: 3, kind: 'gpu' } as const;
  const { config } = await writeTritonRepository('demo', out, { ...options, precision: 'fp16' });
  const text = readFileSync(config, 'utf8');
  expect(text).toMatch(/^name: "other"$/m);
  expect(text).toMatch(/^max_batch_size: 8$/m);
  expect(text).toMatch(/^ {4}count: 3\n {4}kind: KIND_GPU$/m);
  const demo = join(import.meta.dirname, '../../models/demo');
  expect(readFileSync(join(out, 'other/1/model.onnx'))).toEqual(readFileSync(join(demo, 'model.fp16.onnx')));
});

test('has every tensor of a model with further ones', async () => {
  const { inputs, outputs } = JSON.parse(readFileSync(join(bundles.wide, 'model.json'), 'utf8')) as Record<
    'inputs' | 'outputs',
    { name: string; shape: number[] }[]
  >;
  const { config } = await writeTritonRepository(bundles.wide, folder(), { name: 'wide' });
  const found = [...readFileSync(config, 'utf8').matchAll(/^ {4}name: "(.*)"\n.*\n {4}dims: \[ (.*) \]$/gm)];
  expect(found.map(([, name, dims]) => [name, dims])).toEqual(
    [...inputs, ...outputs].map(({ name, shape }) => [name, shape.slice(1).join(', ')]),
  );
  expect(found).toHaveLength(7);
});

test.each([
  [{ name: '../elsewhere' }, 'ERR_TFT_OPTION'],
  [{ maxBatch: 0 }, 'ERR_TFT_OPTION'],
  [{ instances: 1.5 }, 'ERR_TFT_OPTION'],
  [{ precision: 'int8' }, 'ERR_TFT_UNSUPPORTED'],
] as const)('refuses %j', async (options, code) => {
  const out = folder();
  await expect(writeTritonRepository(TINY, out, options)).rejects.toMatchObject({ code });
  expect(readdirSync(out)).toEqual([]);
});
