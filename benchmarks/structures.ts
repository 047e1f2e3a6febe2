// Compares this package's kernels for CPUs with ONNX Runtime's, for published structures at several hidden sizes: eight series
// in a call, one thread. Both take turns, and forecasts are compared with PyTorch's first. Needs the native addon and the Python
// environment.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSamples } from '../src/entries/build.js';
import { loadModel, TFTEngine } from '../src/index.js';
import { type Comparison, farthest, inTurns, less, percentile, report } from './harness.js';

/** Forecasts further from PyTorch's than this, of their spread, are not timed. */
const LIMIT = 1e-4;

const folder = mkdtempSync(join(tmpdir(), 'tft-structures-'));
const comparisons: Comparison[] = [];
const details: Record<string, unknown> = {};
try {
  execFileSync('scripts/uv', ['python', 'benchmarks/make_structures.py', folder], { stdio: 'ignore' });
  for (const { name } of readdirSync(folder, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )) {
    const path = join(folder, name);
    const { inputs, expected, spread } = await readSamples(await loadModel(path));
    const load = (kernels: boolean) =>
      TFTEngine.load(path, {
        backend: 'onnxruntime',
        onnxruntime: { native: true, kernels },
        threads: 1,
        maxBatch: 8,
      });
    const engines = { ours: await load(true), theirs: await load(false) };
    const ofSpread: Record<string, number> = {};
    for (const [side, engine] of Object.entries(engines)) {
      const { data } = await engine.predict(inputs);
      const apart = farthest(data, expected) / spread;
      if (!(apart < LIMIT)) throw new Error(`${name}, ${side}: ${apart} of the spread from PyTorch`);
      ofSpread[side] = apart;
    }
    const times = await inTurns({
      ours: () => engines.ours.predictSync(inputs),
      theirs: () => engines.theirs.predictSync(inputs),
    });
    const median = (numbers: readonly number[]) => percentile(numbers, 0.5);
    comparisons.push(less(name, 'ms', median(times.ours), median(times.theirs)));
    details[name] = { parts: engines.ours.info.kernels?.parts ?? [], ofSpread };
    for (const engine of Object.values(engines)) await engine.close();
  }
} finally {
  rmSync(folder, { recursive: true });
}
report(
  'structures',
  'What do the kernels for CPUs gain for other structures and hidden sizes?',
  comparisons,
  {
    details,
  },
);
