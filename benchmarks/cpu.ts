// Compares the engine on the CPU with the strongest that run the same network there: OpenVINO, torch.compile and ONNX Runtime
// in Python, each with one thread and with all. All take turns in one run, and forecasts are compared before they are timed.
// Needs the native addon and the Python environment; OpenVINO's is fetched.
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { readSamples } from '../src/entries/build.js';
import { TFTEngine } from '../src/index.js';
import {
  type Comparison,
  farthest,
  less,
  options,
  PythonPeer,
  percentile,
  report,
  Samples,
  seconds,
  timesOf,
} from './harness.js';

const BATCHES = [1, 8, 32];
const TURN_MS = 250;
/** Forecasts further apart than this, of the spread, are not timed. */
const LIMIT = 1e-4;

interface Turn {
  readonly times: readonly number[];
  readonly ofSpread: number;
  /** Seconds. */
  readonly compiled: number | null;
}

const { samples, model } = await Samples.load(options.bundle);
const { expected, spread } = await readSamples(model);
const uv = execFileSync('scripts/find-uv', { encoding: 'utf8' }).trim();
const comparisons: Comparison[] = [];
const compiling: Record<string, number> = {};
const differences: Record<string, number> = {};
const loadBefore = loadavg()[0];
let versions: Record<string, string> = {};

for (const threads of [1, availableParallelism()]) {
  const engine = await TFTEngine.load(options.bundle, {
    backend: 'onnxruntime',
    onnxruntime: { native: true },
    threads,
    maxBatch: 32,
  });
  const parameters = [options.bundle, `${threads}`];
  const openvino = new PythonPeer(uv, [
    'run',
    '--quiet',
    '--no-project',
    'benchmarks/openvino_peer.py',
    ...parameters,
  ]);
  const torch = new PythonPeer('scripts/uv', ['python', 'benchmarks/compile_peer.py', ...parameters]);
  versions = {
    ...(await openvino.answer<Record<string, string>>()),
    ...(await torch.answer<Record<string, string>>()),
  };
  const own = async (batch: number): Promise<Turn> => {
    const inputs = samples.batch(batch);
    const { data } = await engine.predict(inputs);
    const times = await timesOf(() => engine.predict(inputs), TURN_MS);
    return { times, ofSpread: farthest(data, expected) / spread, compiled: null };
  };
  const asked = (peer: PythonPeer, side: string) => (batch: number) =>
    peer.ask<Turn>({ side, batch, ms: TURN_MS });
  const sides: Record<string, (batch: number) => Promise<Turn>> = {
    own,
    openvino: asked(openvino, 'openvino'),
    compiled: asked(torch, 'compiled'),
    onnxruntime: asked(openvino, 'onnxruntime'),
  };
  for (const batch of BATCHES) {
    const times: Record<string, number[]> = {};
    for (const [side, turn] of Object.entries(sides)) {
      const { ofSpread, compiled } = await turn(batch);
      const name = `${side}-B${batch}-threads${threads}`;
      if (!(ofSpread < LIMIT)) throw new Error(`${name}: the forecasts differ by ${ofSpread} of the spread`);
      differences[name] = ofSpread;
      if (compiled !== null) compiling[name] = compiled;
      times[side] = [];
    }
    const end = performance.now() + Object.keys(sides).length * seconds * 1000;
    while (performance.now() < end)
      for (const [side, turn] of Object.entries(sides)) times[side]?.push(...(await turn(batch)).times);
    const median = (side: string) => percentile(times[side] ?? [], 0.5);
    for (const side of Object.keys(sides).slice(1))
      comparisons.push(less(`${side}-B${batch}-threads${threads}`, 'ms', median('own'), median(side)));
  }
  await engine.close();
  await openvino.stop();
  await torch.stop();
}
report(
  'cpu',
  'How fast is the engine on the CPU beside the strongest that run the same network there?',
  comparisons,
  {
    versions,
    /** Largest differences from PyTorch's forecasts of the sample windows, of their spread. */
    differences,
    /** Seconds that torch.compile took. */
    compiling,
    // A load above the number of processors means that other programs ran, and that the ratios are less certain.
    loadAverage: [loadBefore, loadavg()[0]],
  },
);
