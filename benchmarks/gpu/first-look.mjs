// A first look at a plan on a GPU: are the numbers PyTorch's, and what do latency and throughput come to?
//
//   node benchmarks/gpu/first-look.mjs --plan FILE [--bundle FOLDER] [--tensorrt PATH] [--out FILE]
//
// Needs lib/, the native addon, TensorRT and a GPU, and nothing from npm's registry but zod and node-gyp-build,
// so that it runs on a machine without a network. Peers in the same run: CUDA graphs off, and predictSync.
// Prints JSON lines, the last ones `ratio NAME VALUE`; writes the JSON lines to --out too.
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { TFTEngine } from '../../lib/index.js';

const { values: options } = parseArgs({
  options: {
    plan: { type: 'string' },
    bundle: { type: 'string', default: 'models/demo' },
    tensorrt: { type: 'string' },
    out: { type: 'string' },
    seconds: { type: 'string', default: '1.2' },
  },
});
if (!options.plan) throw new Error('--plan FILE is missing');

const CONFIGURATIONS = [
  { lanes: 2 },
  { lanes: 2, cudaGraphs: false },
  { lanes: 4 },
  { lanes: 8, poll: true },
];
const BATCHES = [1, 8, 32];
/** Ready batches in flight, for each batch size: enough that no lane waits for the caller. */
const IN_FLIGHT = new Map([
  [1, 256],
  [8, 32],
  [32, 8],
]);
const SEQUENTIAL_CALLS = 400;

const model = JSON.parse(readFileSync(join(options.bundle, 'model.json'), 'utf8'));
const { count, spread, monthTurn } = model.samples;
const turned = new Set(monthTurn);
const samples = {
  encoderCont: read('encoder_cont', Float32Array),
  encoderCat: read('encoder_cat', Int32Array),
  decoderCont: read('decoder_cont', Float32Array),
  decoderCat: read('decoder_cat', Int32Array),
};
const expected = read('expected', Float32Array);
const width = expected.length / count;
const p50 = new Map();

for (const configuration of CONFIGURATIONS) {
  const log = [];
  try {
    const begun = performance.now();
    const engine = await TFTEngine.load(options.plan, {
      backend: 'tensorrt',
      tensorrt: { ...configuration, ...(options.tensorrt && { tensorrtPath: options.tensorrt }) },
      log: ({ message }) => log.push(message),
    });
    say({ kind: 'load', configuration, ms: performance.now() - begun, info: engine.info });
    const cold = performance.now();
    await engine.warmup();
    say({ kind: 'warmup', configuration, ms: performance.now() - cold });
    await compareNumbers(engine, configuration);
    for (const batch of BATCHES) await time(engine, configuration, batch);
    await engine.close();
  } catch (error) {
    say({ kind: 'error', configuration, code: error.code, message: error.message });
  }
  say({ kind: 'log', configuration, log });
}
for (const batch of BATCHES) {
  const graphs = p50.get(key({ lanes: 2 }, batch));
  const launches = p50.get(key({ lanes: 2, cudaGraphs: false }, batch));
  if (graphs && launches)
    console.log(`ratio graphs_vs_launches_b${batch} ${(launches.sync / graphs.sync).toFixed(2)}`);
  if (graphs) console.log(`ratio promise_vs_sync_b${batch} ${(graphs.sync / graphs.promise).toFixed(2)}`);
}

/** Batches of every kind: one, odd ones, those that fill a bucket, and one over the maximum. */
async function compareNumbers(engine, configuration) {
  for (const batch of [1, 2, 3, 5, 8, 13, 20, 32, 40]) {
    const windows = Array.from({ length: batch }, (_, server) => (server * 7 + batch) % count);
    const { data } = await engine.predict(rows(windows));
    let largest = 0;
    windows.forEach((window, server) => {
      if (turned.has(window)) return;
      for (let i = 0; i < width; i++) {
        largest = Math.max(largest, Math.abs(data[server * width + i] - expected[window * width + i]));
      }
    });
    say({ kind: 'numbers', configuration, batch, largest, ofSpread: largest / spread });
  }
}

async function time(engine, configuration, batch) {
  const inputs = rows(Array.from({ length: batch }, (_, server) => server % count));
  const out = new Float32Array(batch * width);
  for (let i = 0; i < 50; i++) await engine.predict(inputs, { out });
  const promise = [];
  const call = [];
  const sync = [];
  for (let i = 0; i < SEQUENTIAL_CALLS; i++) {
    const start = performance.now();
    const pending = engine.predict(inputs, { out });
    call.push(performance.now() - start);
    await pending;
    promise.push(performance.now() - start);
  }
  for (let i = 0; i < SEQUENTIAL_CALLS / 2; i++) {
    const start = performance.now();
    engine.predictSync(inputs, { out });
    sync.push(performance.now() - start);
  }
  p50.set(key(configuration, batch), { promise: percentile(promise, 0.5), sync: percentile(sync, 0.5) });
  say({
    kind: 'latency',
    unit: 'ms',
    configuration,
    batch,
    promise: percentiles(promise),
    mainThread: percentiles(call),
    sync: percentiles(sync),
  });
  say({ kind: 'throughput', configuration, batch, ...(await throughput(engine, inputs, batch)) });
}

async function throughput(engine, inputs, batch) {
  const inFlight = IN_FLIGHT.get(batch);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let forecasts = 0;
  delay.enable();
  const begun = performance.now();
  const end = begun + Number(options.seconds) * 1000;
  const caller = async () => {
    while (performance.now() < end) {
      await engine.predict(inputs);
      forecasts += batch;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const seconds = (performance.now() - begun) / 1000;
  delay.disable();
  return {
    inFlight,
    forecastsPerSecond: Math.round(forecasts / seconds),
    eventLoopDelayMs: { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  };
}

/** The sample windows with these numbers, as one request. */
function rows(windows) {
  return Object.fromEntries(
    Object.entries(samples).map(([name, array]) => {
      const size = array.length / count;
      const request = new array.constructor(size * windows.length);
      windows.forEach((window, server) => {
        request.set(array.subarray(window * size, (window + 1) * size), server * size);
      });
      return [name, request];
    }),
  );
}

function read(name, Type) {
  const content = readFileSync(join(options.bundle, model.samples.files[name].path));
  return new Type(content.buffer.slice(content.byteOffset, content.byteOffset + content.length));
}

function key(configuration, batch) {
  return JSON.stringify([configuration, batch]);
}

function percentile(numbers, part) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function percentiles(numbers) {
  return { p50: percentile(numbers, 0.5), p95: percentile(numbers, 0.95), p99: percentile(numbers, 0.99) };
}

function say(record) {
  const line = JSON.stringify(record);
  console.log(line);
  if (options.out) appendFileSync(options.out, `${line}\n`);
}
