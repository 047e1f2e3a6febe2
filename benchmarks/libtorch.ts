// Compares the backend 'libtorch' with 'onnxruntime' and with PyTorch in Python: the time and the processor time of one
// call, with one thread on every side, and the throughput of many callers. All take turns in one run. Needs npm run
// build:libtorch and the Python environment.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { surveyLibraries } from '../src/entries/build.js';
import { TFTEngine } from '../src/index.js';
import {
  type Comparison,
  less,
  more,
  options,
  PythonPeer,
  percentile,
  report,
  Samples,
  seconds,
  timesOf,
} from './harness.js';

const BATCHES = [1, 8, 32];
const CALLERS = 32;
const TURN_MS = 250;
/** A batch is one run on one thread, as in Python. */
const ONE = { threads: 1, maxBatch: 32 };

const { libTorch } = await surveyLibraries();
if (libTorch === undefined || libTorch instanceof Error) {
  console.log(`skipped: ${libTorch?.message ?? "LibTorch's library is not built (npm run build:libtorch)"}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'tft-libtorch-'));
const python = new PythonPeer('scripts/uv', [
  'python',
  'benchmarks/libtorch_peer.py',
  options.bundle,
  join(folder, 'model.ts.pt'),
]);
const peer = await python.answer<{ torch: string }>();
copyFileSync(join(options.bundle, 'model.json'), join(folder, 'model.json'));
const { model, samples } = await Samples.load(options.bundle);
const libtorch = await TFTEngine.load(join(folder, 'model.ts.pt'), {
  backend: 'libtorch',
  verifyHash: false,
  ...ONE,
});
/** Its own kernels, not ours. */
const PLAIN = { backend: 'onnxruntime', onnxruntime: { native: false } } as const;
const onnxruntime = await TFTEngine.load(options.bundle, { ...PLAIN, ...ONE });
const loadBefore = loadavg()[0];
console.log(
  `${model.name} on ${libtorch.info.device}: LibTorch ${libTorch.version} and ONNX Runtime ${onnxruntime.info.versions.onnxruntime}, ` +
    `PyTorch ${peer.torch} in Python`,
);

type Side = 'libtorch' | 'onnxruntime' | 'eager' | 'module';
const SIDES: readonly Side[] = ['libtorch', 'onnxruntime', 'eager', 'module'];

/** Milliseconds of each call, and the average of processor time. */
interface Turn {
  readonly times: readonly number[];
  readonly processor: number;
}

async function turn(side: Side, batch: number): Promise<Turn> {
  if (side === 'eager' || side === 'module') return python.ask<Turn>({ side, batch, ms: TURN_MS });
  const engine = side === 'libtorch' ? libtorch : onnxruntime;
  const inputs = samples.batch(batch);
  const before = process.cpuUsage();
  const times = await timesOf(() => engine.predict(inputs), TURN_MS);
  const { user, system } = process.cpuUsage(before);
  return { times, processor: (user + system) / 1000 / times.length };
}

/** Forecasts a second of many callers, each with one series. */
async function throughput(engine: TFTEngine): Promise<number> {
  const inputs = samples.batch(1);
  const begin = performance.now();
  let forecasts = 0;
  const caller = async () => {
    while (performance.now() < begin + TURN_MS) {
      await engine.predict(inputs);
      forecasts++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (forecasts * 1000) / (performance.now() - begin);
}

const median = (numbers: readonly number[]) => percentile(numbers, 0.5);
const comparisons: Comparison[] = [];
for (const batch of BATCHES) {
  const turns: Record<Side, Turn[]> = { libtorch: [], onnxruntime: [], eager: [], module: [] };
  for (const side of SIDES) await turn(side, batch);
  const end = performance.now() + SIDES.length * seconds * 1000;
  while (performance.now() < end) for (const side of SIDES) turns[side].push(await turn(side, batch));
  const time = (side: Side) => median(turns[side].flatMap(({ times }) => times));
  const processor = (side: Side) => median(turns[side].map((one) => one.processor));
  for (const side of SIDES.slice(1)) {
    comparisons.push(less(`${side}-B${batch}`, 'ms', time('libtorch'), time(side)));
    comparisons.push(
      less(`${side}-B${batch}-processor`, 'ms of processor time', processor('libtorch'), processor(side)),
    );
  }
}
await libtorch.close();
await onnxruntime.close();

const lanes = {
  libtorch: await TFTEngine.load(join(folder, 'model.ts.pt'), { backend: 'libtorch', verifyHash: false }),
  onnxruntime: await TFTEngine.load(options.bundle, PLAIN),
};
for (const engine of Object.values(lanes)) await throughput(engine);
const rates = { libtorch: [] as number[], onnxruntime: [] as number[] };
const end = performance.now() + 2 * seconds * 1000;
while (performance.now() < end) {
  rates.libtorch.push(await throughput(lanes.libtorch));
  rates.onnxruntime.push(await throughput(lanes.onnxruntime));
}
comparisons.push(
  more(`onnxruntime-${CALLERS}-callers`, 'forecasts/s', median(rates.libtorch), median(rates.onnxruntime)),
);
report('libtorch', 'What does LibTorch gain over ONNX Runtime, and over PyTorch in Python?', comparisons, {
  libtorch: libTorch.version,
  python: peer,
  // A load above the number of processors means that other programs ran, and that the ratios are less certain.
  loadAverage: [loadBefore, loadavg()[0]],
});
for (const engine of Object.values(lanes)) await engine.close();
await python.stop();
if (existsSync(folder)) rmSync(folder, { recursive: true });
