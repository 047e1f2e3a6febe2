// KServe requests with binary tensors. The first two bytes of an input say how long the JSON is.

import { TFTError } from '../../../lib/contract/errors.js';
import { Contract } from '../../../lib/contract/inputs.js';
import { loadModel } from '../../../lib/contract/model.js';
import { modelTensors } from '../../../lib/contract/tensors.js';
import { HttpError } from '../../../lib/service/http/http-error.js';
import { understandInfer } from '../../../lib/service/kserve/infer-request.js';
import { TINY } from './tiny.mjs';

const model = await loadModel(TINY);
const tensors = modelTensors(model);
const contract = new Contract(model);
const nothing = { take() {}, give() {} };

export const name = 'infer';
export const words = [
  '"binary_data_size":',
  '"INT64"',
  '"INT8"',
  '"UINT32"',
  '"shape":[1,6,3]',
  '"parameters":',
  'null',
  '"outputs":[]',
  '72',
  '96',
  '[',
  ']',
  '{',
  '}',
];
export const seeds = () => [
  packed((spec) => ({ parameters: { binary_data_size: spec.size * 4 } }), 4),
  packed(
    (spec) => ({
      ...(spec.type === 'int32' ? { datatype: 'INT64' } : {}),
      parameters: { binary_data_size: spec.size * (spec.type === 'int32' ? 8 : 4) },
    }),
    8,
  ),
  packed((spec) => ({ data: new Array(spec.size).fill(1) }), 0),
];

function packed(more, width) {
  const inputs = tensors.inputs.map((spec) => ({
    name: spec.name,
    shape: [1, spec.steps, spec.channels],
    datatype: spec.type === 'int32' ? 'INT32' : 'FP32',
    ...more(spec),
  }));
  const json = Buffer.from(JSON.stringify({ id: 'a', inputs, parameters: { binary_data_output: true } }));
  const length = Buffer.alloc(2);
  length.writeUInt16LE(json.length);
  const bytes = tensors.inputs.reduce(
    (sum, { size, type }) => sum + size * (type === 'int32' ? width : Math.min(width, 4)),
    0,
  );
  return Buffer.concat([length, json, Buffer.alloc(bytes)]);
}

export async function run(bytes) {
  if (bytes.length < 2) return;
  const header = bytes.readUInt16LE(0);
  // A body has the alignment in memory that its header asks for, as readBody arranges.
  const body = Buffer.alloc(bytes.length + 8)
    .subarray((4 - (header % 4)) % 4)
    .subarray(0, bytes.length - 2);
  bytes.copy(body, 0, 2);
  try {
    const { inputs } = await understandInfer(body, { tensors }, header, 20, nothing);
    contract.accept(inputs);
  } catch (error) {
    if (error instanceof TFTError || (error instanceof HttpError && error.status < 500)) return;
    throw error;
  }
}
