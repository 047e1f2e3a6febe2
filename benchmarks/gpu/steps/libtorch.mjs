// Holds the backend 'libtorch' on the GPU against PyTorch's forecasts and measures it: the latency of one call at a time,
// and the throughput of ready batches. The exporter's Python writes the module; TFT_LIBTORCH names libtft_libtorch.so,
// compiled for that Python's LibTorch.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TFTEngine } from '../../../lib/index.js';
import { compare, figuresOf } from '../held.mjs';
import { attempt, batchOf, options, percentiles, samples, say, seconds } from '../session.mjs';

const folder = join(options.work, 'libtorch');
const module = join(folder, 'model.ts.pt');
mkdirSync(folder, { recursive: true });
copyFileSync(join(options.bundle, 'model.json'), join(folder, 'model.json'));
if (!existsSync(module)) {
  const made = spawnSync(
    process.env.TFT_PYTHON ?? 'python3',
    ['benchmarks/libtorch_peer.py', options.bundle, module],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  if (made.status !== 0) throw new Error('the exporter wrote no TorchScript module');
}
for (const batch of [1, 32, 512]) {
  await attempt({ step: 'libtorch', batch }, async () => {
    const engine = await TFTEngine.load(module, {
      backend: 'libtorch',
      verifyHash: false,
      maxBatch: batch,
      libtorch: { device: 'cuda:0' },
    });
    try {
      await measure(engine, batch);
    } finally {
      await engine.close();
    }
  });
}

async function measure(engine, batch) {
  const inputs = batchOf(batch);
  const { data } = await engine.predict(inputs);
  const windows = Array.from({ length: batch }, (_, i) => i % samples.count);
  const verdict = compare(windows, data, 'fp32');
  say({ kind: 'held', plan: 'libtorch', batch, ...figuresOf(verdict) });
  if (!verdict.withinLimit) throw new Error(`wrong forecasts of ${batch} series`);
  for (let i = 0; i < 10; i++) await engine.predict(inputs);
  const times = [];
  const until = performance.now() + 4000 * seconds;
  while (times.length < 300 && performance.now() < until) {
    const start = performance.now();
    await engine.predict(inputs);
    times.push(performance.now() - start);
  }
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let forecasts = 0;
  const caller = async () => {
    while (performance.now() < end) {
      await engine.predict(inputs);
      forecasts += batch;
    }
  };
  await Promise.all(Array.from({ length: 4 }, caller));
  say({
    kind: 'libtorch',
    unit: 'ms',
    batch,
    versions: engine.info.versions,
    device: engine.info.device,
    latency: percentiles(times),
    forecastsPerSecond: Math.round((forecasts / (performance.now() - begun)) * 1000),
  });
}
