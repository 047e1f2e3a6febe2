// Compares the engine with direct calls of onnxruntime-node on the main thread: the time of one call, the delay of the
// event loop during it, and the throughput of many callers.
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { type ForecastInputs, TFTEngine } from '../src/index.js';
import {
  type Comparison,
  farthest,
  inTurns,
  less,
  more,
  options,
  percentile,
  report,
  Samples,
  seconds,
} from './harness.js';

const BATCHES = [1, 8, 32];
const CALLERS = 32;
const TICK_MS = 1;

const { InferenceSession: Session, Tensor: OrtTensor } = createRequire(import.meta.url)(
  'onnxruntime-node',
) as typeof import('onnxruntime-common');

const { model, samples } = await Samples.load(options.bundle);
/** In the addon, with its kernels, as by default. */
const engine = await TFTEngine.load(options.bundle, {
  backend: 'onnxruntime',
  onnxruntime: { native: true },
});
/** In the addon, with ONNX Runtime's kernels. */
const plain = await TFTEngine.load(options.bundle, {
  backend: 'onnxruntime',
  onnxruntime: { native: true, kernels: false },
});
const workers = await TFTEngine.load(options.bundle, {
  backend: 'onnxruntime',
  onnxruntime: { native: false },
});
const session = await Session.create(model.onnxPath);
console.log(
  `${model.name} on ${engine.info.device}, ${engine.info.threads} threads, batches of ${engine.info.maxBatch}`,
);

function feeds({ encoderCont, encoderCat, decoderCont, decoderCat }: ForecastInputs, batch: number) {
  const { encoderLength, horizon, metrics, categories, known } = model;
  return {
    encoder_cont: new OrtTensor('float32', encoderCont, [batch, encoderLength, metrics.length]),
    encoder_cat: new OrtTensor('int32', encoderCat, [batch, encoderLength, categories.length]),
    decoder_cont: new OrtTensor('float32', decoderCont, [batch, horizon, known.length]),
    decoder_cat: new OrtTensor('int32', decoderCat, [batch, horizon, categories.length]),
  } satisfies InferenceSession.FeedsType;
}

/** The worst and the mean delay of a timer, in milliseconds, while `work` repeats. */
async function loopDelay(work: () => Promise<unknown>): Promise<{ worst: number; mean: number }> {
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(Math.max(0, now - last - TICK_MS));
    last = now;
  }, TICK_MS);
  const end = performance.now() + seconds * 500;
  while (performance.now() < end) await work();
  clearInterval(timer);
  return { worst: percentile(gaps, 0.99), mean: gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length };
}

const comparisons: Comparison[] = [];
for (const batch of BATCHES) {
  const inputs = samples.batch(batch);
  const sides = {
    ours: async () => (await engine.predict(inputs)).data,
    sync: async () => engine.predictSync(inputs).data,
    plain: async () => (await plain.predict(inputs)).data,
    workers: async () => (await workers.predict(inputs)).data,
    peer: async () => ((await session.run(feeds(inputs, batch))).predictions as Tensor).data as Float32Array,
  };
  const theirs = await sides.peer();
  for (const side of ['ours', 'sync', 'plain', 'workers'] as const) {
    const apart = farthest(await sides[side](), theirs);
    if (!(apart < 1e-2)) throw new Error(`${side} and the peer differ by ${apart}: one of them is wrong`);
  }
  const times = await inTurns(sides);
  const median = (numbers: number[]) => percentile(numbers, 0.5);
  comparisons.push(less(`time-B${batch}`, 'ms', median(times.ours), median(times.peer)));
  comparisons.push(less(`time-B${batch}-sync`, 'ms', median(times.sync), median(times.peer)));
  comparisons.push(less(`time-B${batch}-without-kernels`, 'ms', median(times.plain), median(times.peer)));
  comparisons.push(less(`time-B${batch}-workers`, 'ms', median(times.workers), median(times.peer)));

  const ours: number[] = [];
  const peer: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    ours.push((await loopDelay(sides.ours)).worst);
    peer.push((await loopDelay(sides.peer)).worst);
  }
  comparisons.push(less(`event-loop-delay-p99-B${batch}`, 'ms', median(ours), median(peer)));
}

const one = samples.batch(1);
const many = (call: () => Promise<unknown>) => () => Promise.all(Array.from({ length: CALLERS }, call));
const times = await inTurns({
  ours: many(() => engine.predict(one)),
  workers: many(() => workers.predict(one)),
  peer: many(() => session.run(feeds(one, 1))),
});
const rate = (numbers: number[]) => (CALLERS * 1000) / percentile(numbers, 0.5);
comparisons.push(more(`throughput-${CALLERS}-callers`, 'forecasts/s', rate(times.ours), rate(times.peer)));
comparisons.push(
  more(`throughput-${CALLERS}-callers-workers`, 'forecasts/s', rate(times.workers), rate(times.peer)),
);

report(
  'engine-vs-onnxruntime',
  'TFTEngine, in the addon and in worker threads, against onnxruntime-node called by hand on the main thread, with its defaults',
  comparisons,
);
for (const one of [engine, plain, workers]) await one.close();
