// Are the forecasts PyTorch's? Each plan on the bundle's samples, with graphs and without, on one lane to eight, in
// batches of every kind; then the recorded windows, whose outputs are kept for `tft_export accuracy --outputs`.
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
/** Every way for the plan that counts, whose limit is the sharpest. */
const WAYS = [
  ...[1, 2, 4, 8].map((lanes) => ({ lanes })),
  { lanes: 2, cudaGraphs: false },
  { lanes: 2, poll: true },
];
const FEWER = [{ lanes: 2 }, { lanes: 2, cudaGraphs: false }];

for (const { name, precision } of plans()) {
  // What the steps that measure time ask for, here already.
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
        // Twice: the first run of a batch size is enqueued plainly, the next ones are a graph.
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
