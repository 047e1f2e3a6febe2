// Compares forecasts with PyTorch's: each plan on the bundle's samples, with and without graphs, on one to eight lanes, in
// batches of every kind; then on the recorded windows, whose outputs are stored for `tft_export accuracy --outputs`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TFTEngine } from '../../../lib/index.js';
import { compare, figuresOf, held } from '../held.mjs';
import {
  attempt,
  BATCHES,
  libraries,
  options,
  planOf,
  plans,
  readArray,
  request,
  samples,
  say,
  width,
} from '../session.mjs';

const SIZES = [1, 2, 3, 5, 8, 13, 20, 31, 32, 40, 128, 512];
/** All ways to run for the fp32 plan, whose limit is the strictest. */
const WAYS = [
  ...[1, 2, 4, 8].map((lanes) => ({ lanes })),
  { lanes: 2, cudaGraphs: false },
  { lanes: 2, poll: true },
];
const FEWER = [{ lanes: 2 }, { lanes: 2, cudaGraphs: false }];

for (const { name, precision } of plans()) {
  // The check that the timing steps need, done here already.
  await attempt({ step: 'numbers', plan: name }, () => held(name, BATCHES, precision));
  for (const way of name === 'fp32' ? WAYS : FEWER) {
    await attempt({ step: 'numbers', plan: name, way }, async () => {
      const engine = await TFTEngine.load(planOf(name), {
        backend: 'tensorrt',
        tensorrt: { ...libraries, ...way },
      });
      let worst;
      for (const batch of SIZES) {
        const windows = Array.from({ length: batch }, (_, i) => (i * 7 + batch) % samples.count);
        // Repeated, because the first run of a batch size is enqueued directly and the next ones launch a graph.
        for (let i = 0; i < 3; i++) {
          const { data } =
            i < 2 ? await engine.predict(request(windows)) : engine.predictSync(request(windows));
          const figures = { batch, ...figuresOf(compare(windows, data, precision)) };
          if (worst === undefined || isWorse(figures, worst)) worst = figures;
        }
      }
      await engine.close();
      say({ kind: 'numbers', plan: name, way, ...worst });
      if (!worst.withinLimit) process.exitCode = 1;
    });
  }
}

function isWorse(one, other) {
  if (one.withinLimit !== other.withinLimit) return !one.withinLimit;
  return !(one.ofSpread <= other.ofSpread);
}

if (options.windows && existsSync(join(options.windows, 'calibration.json'))) {
  const { windows: count } = JSON.parse(readFileSync(join(options.windows, 'calibration.json'), 'utf8'));
  const file = (name, Type) => readArray(join(options.windows, `${name}.bin`), Type);
  const recorded = {
    count,
    arrays: {
      encoderCont: file('encoder_cont', Float32Array),
      encoderCat: file('encoder_cat', Int32Array),
      decoderCont: file('decoder_cont', Float32Array),
      decoderCat: file('decoder_cat', Int32Array),
    },
  };
  for (const { name, precision } of plans().filter(({ name, precision }) => name === precision)) {
    await attempt({ step: 'recorded', precision }, async () => {
      const engine = await TFTEngine.load(planOf(name), { backend: 'tensorrt', tensorrt: libraries });
      const out = new Float32Array(count * width);
      for (let from = 0; from < count; from += 256) {
        const most = Math.min(256, count - from);
        const inputs = request(
          Array.from({ length: most }, (_, i) => from + i),
          recorded,
        );
        out.set((await engine.predict(inputs)).data, from * width);
      }
      await engine.close();
      const path = join(dirname(options.out), `outputs-${precision}.bin`);
      writeFileSync(path, out);
      say({ kind: 'recorded', precision, windows: count, path });
    });
  }
}
