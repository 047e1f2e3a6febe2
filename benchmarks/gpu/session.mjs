// Shared by the steps of a run on a GPU: options, records, sample windows and plans. Needs lib/ and the native addon with
// their dependencies, and no other package.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadAddon } from '../../lib/native/load-addon.js';

export const { values: options } = parseArgs({
  options: {
    /** The file for the records, a JSON object per line. */
    out: { type: 'string', default: 'results.jsonl' },
    /** The folder for plans. */
    work: { type: 'string', default: '.' },
    bundle: { type: 'string', default: 'models/demo' },
    /** Recorded windows with PyTorch's forecasts, as `tft_export accuracy --write-windows` writes them. */
    windows: { type: 'string' },
    /** A folder with further ONNX files to build and time, named by their files. */
    also: { type: 'string' },
    /** A folder with bundles of other structures to build and time. */
    structures: { type: 'string' },
    /** libnvinfer and libcuda, if they are not found automatically. */
    tensorrt: { type: 'string' },
    cuda: { type: 'string' },
    lean: { type: 'string' },
    nvml: { type: 'string' },
    /** The plans of PLANS below to build, check and time, separated by commas; by default those of the run. */
    plans: { type: 'string' },
    /** The plans are in the work folder already, built earlier on such a GPU. */
    built: { type: 'boolean', default: false },
    /** All plans. */
    thorough: { type: 'boolean', default: false },
    /** The duration of each measurement of throughput. */
    seconds: { type: 'string', default: '0.5' },
  },
});
export const seconds = Number(options.seconds);
export const libraries = {
  ...(options.tensorrt && { tensorrtPath: options.tensorrt }),
  ...(options.cuda && { cudaPath: options.cuda }),
};

/** Writes a record. */
export function say(record) {
  const line = JSON.stringify(record, (_, value) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value,
  );
  console.log(line);
  appendFileSync(options.out, `${line}\n`);
}

/** Runs a part of a step; an error is written as a record, and the step continues. */
export async function attempt(what, part) {
  try {
    return await part();
  } catch (error) {
    say({ kind: 'error', ...what, code: error.code, message: error.message });
    process.exitCode = 1;
  }
}

export const model = JSON.parse(readFileSync(join(options.bundle, 'model.json'), 'utf8'));

/** The path of a plan, which may not exist. */
export const planOf = (name) => join(options.work, `${name}.engine`);

/** For one caller, a group, and large batches. No profile of exactly one: TensorRT 10.6 builds wrong plans for it. */
export const PROFILES = [
  { min: 1, opt: 1, max: 2 },
  { min: 3, opt: 32, max: 32 },
  { min: 33, opt: 128, max: 128 },
  { min: 129, opt: 512, max: 512 },
];

/** TensorRT 10.6 builds no FP16 graph for a best batch of 512: 'MyelinCheckException: ssa_validation'. */
export const profilesOf = (precision) =>
  precision === 'fp16' ? PROFILES.map((one) => ({ ...one, opt: Math.min(one.opt, 256) })) : PROFILES;

/** The batch sizes that are measured of every plan. */
export const BATCHES = [1, 8, 32, 128, 512];

/** The plans that are built and timed; `fp32-layers` is `fp32` without our kernels, for comparison. */
const PLANS = [
  { name: 'fp32', precision: 'fp32', kernels: true },
  { name: 'fp32-layers', precision: 'fp32', kernels: false },
  { name: 'fp16', precision: 'fp16', kernels: true },
  { name: 'int8', precision: 'int8', kernels: true, thorough: true },
];
export const wantedPlans = PLANS.filter(({ name, thorough }) =>
  options.plans ? options.plans.split(',').includes(name) : !thorough || options.thorough,
);

/** The existing ones of these. */
export const plans = () => wantedPlans.filter(({ name }) => existsSync(planOf(name)));

/** The precisions of the existing plans. */
export const precisions = () => [...new Set(plans().map(({ precision }) => precision))];

export const addon = loadAddon();

/** The model's tensors as the addon takes them. */
export const tensors = {
  inputs: ['encoder_cont', 'encoder_cat', 'decoder_cont', 'decoder_cat'].map((name) => tensor(name)),
  output: tensor('predictions'),
};

function tensor(wanted) {
  const { name, type, shape } = [...model.inputs, ...model.outputs].find(({ name }) => name === wanted);
  return { name, type, item: shape.slice(1) };
}

/** The bundle's sample windows, and PyTorch's output for them. */
export const samples = {
  ...model.samples,
  arrays: {
    encoderCont: read('encoder_cont', Float32Array),
    encoderCat: read('encoder_cat', Int32Array),
    decoderCont: read('decoder_cont', Float32Array),
    decoderCat: read('decoder_cat', Int32Array),
  },
  expected: read('expected', Float32Array),
};
/** The number of values in a series' forecast. */
export const width = samples.expected.length / samples.count;

function read(name, Type) {
  return readArray(join(options.bundle, model.samples.files[name].path), Type);
}

/** A file of little-endian numbers. */
export function readArray(path, Type) {
  const content = readFileSync(path);
  return new Type(content.buffer.slice(content.byteOffset, content.byteOffset + content.length));
}

/** The windows with these numbers, as one request. */
export function request(windows, { arrays, count } = samples) {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => {
      const size = array.length / count;
      const part = new array.constructor(size * windows.length);
      windows.forEach((window, server) => {
        part.set(array.subarray(window * size, (window + 1) * size), server * size);
      });
      return [name, part];
    }),
  );
}

/** `batch` of the sample windows, repeated if there are fewer. */
export const batchOf = (batch) => request(Array.from({ length: batch }, (_, i) => i % samples.count));

/** The value below which this share of the numbers is. */
export function percentile(numbers, part) {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

export function percentiles(numbers) {
  return {
    p50: percentile(numbers, 0.5),
    p95: percentile(numbers, 0.95),
    p99: percentile(numbers, 0.99),
  };
}
