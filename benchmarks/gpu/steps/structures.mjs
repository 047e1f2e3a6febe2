// What the kernels gain for other structures than the demo model's: each bundle in --structures (benchmarks/make_structures.py
// makes some) as a plan with them and as one of TensorRT's layers alone, one call at a time in turns. The plans' forecasts of the
// sample windows are compared with PyTorch's first.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSamples } from '../../../lib/entries/build.js';
import { loadModel, TFTEngine } from '../../../lib/index.js';
import { attempt, libraries, options, percentile, request, say, seconds } from '../session.mjs';

const BATCHES = [1, 8, 32, 512];

for (const { name } of readdirSync(options.structures, { withFileTypes: true }).filter((entry) =>
  entry.isDirectory(),
)) {
  await attempt({ structure: name }, async () => {
    const path = join(options.structures, name);
    const model = await loadModel(path);
    const { inputs, expected, spread, count } = await readSamples(model);
    const load = (kernels) =>
      TFTEngine.load(path, {
        backend: 'tensorrt',
        cache: options.work,
        build: { kernels },
        tensorrt: libraries,
      });
    const engines = { kernels: await load(true), layers: await load(false) };
    for (const batch of BATCHES) {
      const numbers = Array.from({ length: batch }, (_, i) => i % count);
      const windows = request(numbers, { arrays: inputs, count });
      const ofSpread = {};
      const times = {};
      for (const [side, engine] of Object.entries(engines)) {
        const { data } = await engine.predict(windows);
        const away = data.map((value, at) => Math.abs(value - expected[at % expected.length]));
        ofSpread[side] = away.reduce((most, one) => Math.max(most, one), 0) / spread;
        if (!(ofSpread[side] < 1e-4))
          throw new Error(`${side}: ${ofSpread[side]} of the spread from PyTorch`);
        times[side] = [];
      }
      const end = performance.now() + 1000 * seconds;
      for (let round = 0; performance.now() < end || round < 40; round++)
        for (const [side, engine] of Object.entries(engines)) {
          const begin = performance.now();
          await engine.predict(windows);
          // The first ones start the GPU.
          if (round >= 20) times[side].push(performance.now() - begin);
        }
      const p50 = Object.fromEntries(
        Object.entries(times).map(([side, all]) => [side, percentile(all, 0.5)]),
      );
      say({ kind: 'structure', structure: name, batch, ofSpread, p50, ratio: p50.layers / p50.kernels });
    }
    await Promise.all(Object.values(engines).map((engine) => engine.close()));
  });
}
