// `tft triton-repository`: the text of config.pbtxt, also as Triton's own definitions read it, and the files. No Triton with
// these backends has read them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EngineRecord } from '../../src/builder/engine-record.js';
import { writeTritonRepository } from '../../src/entries/build.js';
import { bundles } from '../fixtures/bundles.js';
import { recordOf } from '../fixtures/engine-records.js';
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
model_warmup [
  {
    name: "one series"
    batch_size: 1
    inputs [
      { key: "encoder_cont" value { data_type: TYPE_FP32 dims: [ 6, 3 ] zero_data: true } },
      { key: "encoder_cat" value { data_type: TYPE_INT32 dims: [ 6, 2 ] zero_data: true } },
      { key: "decoder_cont" value { data_type: TYPE_FP32 dims: [ 4, 2 ] zero_data: true } },
      { key: "decoder_cat" value { data_type: TYPE_INT32 dims: [ 4, 2 ] zero_data: true } }
    ]
  }
]
`;

const clients = spawnSync(join(import.meta.dirname, '../../scripts/http-clients'));
const python = clients.status === 0 ? join(clients.stdout.toString().trim(), 'bin/python') : undefined;
if (python === undefined) console.warn('skipped: tritonclient is not here; scripts/http-clients --fetch');

/** A configuration as JSON, read by the definitions in NVIDIA's tritonclient. */
function asTritonReads(config: string): Record<string, unknown> {
  const { stdout, stderr } = spawnSync(python as string, ['-c', READ, config], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}
const READ = `
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(open(sys.argv[1]).read(), model_config_pb2.ModelConfig())
print(json_format.MessageToJson(config))
`;

/** A plan of the bundle \`tiny\` with two profiles, and its record. */
function planOfTiny(change: Partial<EngineRecord> = {}, key: Partial<EngineRecord['key']> = {}): string {
  const path = join(folder(), 'tiny.engine');
  const plan = Buffer.from('a plan');
  const { files } = JSON.parse(readFileSync(join(TINY, 'model.json'), 'utf8')) as {
    files: { onnx: { sha256: string } };
  };
  const profiles = [
    { min: 1, opt: 1, max: 2 },
    { min: 3, opt: 32, max: 64 },
  ];
  const record = { ...recordOf(plan, { onnx: files.onnx.sha256, profiles, ...key }), ...change };
  writeFileSync(path, plan);
  writeFileSync(`${path}.json`, JSON.stringify(record));
  return path;
}

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

const KERNELS = { version: '1', hash: 'cd'.repeat(32), fused: ['recurrent'] };

test('writes a plan with all of its profiles and CUDA graphs, and says when it needs the plugin library', async () => {
  const out = folder();
  const plan = planOfTiny({ kernels: KERNELS });
  const { status, stdout, stderr } = await tft(['triton-repository', TINY, out, '--plan', plan]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringContaining("needs this package's plugin library"),
  });
  expect(stdout).toBe(`${join(out, 'tiny/config.pbtxt')}\n${join(out, 'tiny/1/model.plan')}\n`);
  expect(readFileSync(join(out, 'tiny/1/model.plan'), 'utf8')).toBe('a plan');
  const text = readFileSync(join(out, 'tiny/config.pbtxt'), 'utf8');
  expect(text).toMatch(/^backend: "tensorrt"\ndefault_model_filename: "model.plan"\nmax_batch_size: 64$/m);
  expect(text).toContain('    kind: KIND_GPU\n    profile: [ "0", "1" ]\n');
  expect(text).toContain('\noptimization { cuda { graphs: true } }\n');
  const plain = await writeTritonRepository(TINY, folder(), { plan: planOfTiny(), maxBatch: 16 });
  expect(plain.needsPlugins).toBe(false);
  expect(readFileSync(plain.config, 'utf8')).toMatch(/^max_batch_size: 16$/m);
});

test.skipIf(python === undefined)("Triton's definitions read every field", async () => {
  const graph = await writeTritonRepository(TINY, folder());
  const plan = await writeTritonRepository(TINY, folder(), { plan: planOfTiny(), instances: 2 });
  expect(asTritonReads(graph.config)).toMatchObject({
    name: 'tiny',
    backend: 'onnxruntime',
    maxBatchSize: 32,
    dynamicBatching: {},
    instanceGroup: [{ count: 1 }],
    modelWarmup: [{ batchSize: 1, inputs: { encoder_cat: { dims: ['6', '2'], zeroData: true } } }],
  });
  expect(asTritonReads(plan.config)).toMatchObject({
    backend: 'tensorrt',
    defaultModelFilename: 'model.plan',
    maxBatchSize: 64,
    instanceGroup: [{ count: 2, kind: 'KIND_GPU', profile: ['0', '1'] }],
    optimization: { cuda: { graphs: true } },
  });
});

test.each([
  ['without a record', () => join(TINY, 'model.onnx'), {}, /tft build/],
  [
    'of another model',
    () => planOfTiny({ key: recordOf(Buffer.from('')).key }),
    {},
    /was not built from a graph of/,
  ],
  ['beyond its profiles', () => planOfTiny(), { maxBatch: 65 }, /takes at most 64 series/],
  ['on the CPU', () => planOfTiny(), { kind: 'cpu' }, /a plan runs on a GPU/],
  ['of TensorRT for RTX', () => planOfTiny({}, { rtx: { targets: [89] } }), {}, /TensorRT for RTX/],
] as const)('refuses a plan %s', async (_, plan, options, message) => {
  const out = folder();
  await expect(writeTritonRepository(TINY, out, { plan: plan(), ...options })).rejects.toMatchObject({
    code: 'ERR_TFT_OPTION',
    message: expect.stringMatching(message),
  });
  expect(readdirSync(out)).toEqual([]);
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
