// The scanner of JSON bodies. Where it takes a body, JSON.parse takes it too and finds the same.
import { deepStrictEqual } from 'node:assert';
import { HttpError } from '../../../lib/service/http/http-error.js';
import { scanTensors } from '../../../lib/service/http/json/tensor-scan.js';

const KEYS = new Set(['data', 'encoder_cont']);
const RULES = { keys: KEYS, maxTensors: 4, maxNumbers: 2000, expected: 'tensors' };

export const name = 'json';
export const words = [
  '"data":',
  '[',
  ']',
  '{',
  '}',
  ',',
  ':',
  'null',
  'true',
  '1e5',
  '-0.5',
  '"d\\u0061ta":',
  '[[1,2],[3,4]]',
  ' ',
  '\n',
];
export const seeds = () =>
  [
    '{"inputs":[{"name":"encoder_cont","shape":[1,2,2],"datatype":"FP32","data":[1,2.5,-3e2,0.1]}]}',
    '{"encoder_cont":[[[1,2],[3,4]],[[5,6],[7,8]]],"id":"a\\u00e9\\n"}',
    '{"data":null,"x":{"data":[]}}',
    '\uFEFF{"data":[123456789012345678, 1.17549435e-38, 16777217.0000001]}',
  ].map((text) => Buffer.from(text));

export async function run(bytes) {
  let held = 0;
  const holding = {
    take: (count) => {
      held += count;
    },
    give: (count) => {
      held -= count;
    },
  };
  let scanned;
  try {
    scanned = await scanTensors(bytes, RULES, holding);
  } catch (error) {
    if (error instanceof HttpError && error.status < 500) return;
    throw error;
  }
  if (held < scanned.tensors.reduce((sum, { values }) => sum + values.byteLength, 0))
    throw new Error('numbers are held that nothing counts');
  const expected = JSON.parse(bytes.toString().replace(/^\uFEFF/, ''));
  deepStrictEqual(filled(scanned.rest, scanned.tensors, expected), expected);
}

/** The scanned value with the numbers at their places, as exact as the expected ones are where float32 shows it. */
function filled(value, tensors, expected, key) {
  if (KEYS.has(key) && typeof value === 'number') {
    const { values, length, shape } = tensors[value];
    const flat = Array.isArray(expected) ? expected.flat(Infinity) : [];
    const same =
      flat.length === length &&
      flat.every((number, at) => Object.is(Math.fround(number), Math.fround(values[at])));
    return same && sameShape(expected, shape) ? expected : { shape, values: [...values.subarray(0, length)] };
  }
  if (Array.isArray(value)) return value.map((item, at) => filled(item, tensors, expected?.[at]));
  if (value === null || typeof value !== 'object') return value;
  // As JSON.parse makes its properties: '__proto__' is one like any other.
  const copy = JSON.parse('{}');
  for (const [name, item] of Object.entries(value)) {
    const own =
      expected !== null && typeof expected === 'object' && Object.hasOwn(expected, name)
        ? expected[name]
        : undefined;
    Object.defineProperty(copy, name, {
      value: filled(item, tensors, own, name),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

function sameShape(array, shape) {
  let items = [array];
  for (const size of shape) {
    if (!items.every((item) => Array.isArray(item) && item.length === size)) return false;
    items = items.flat();
  }
  return items.every((item) => typeof item === 'number');
}
