// Are the forecasts PyTorch's? Each precision on the bundle's samples, with graphs and without, on one lane to eight, in
// batches of every kind; then the recorded windows, whose outputs are kept for `tft_export accuracy --outputs`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TFTEngine } from '../../../lib/index.js';
import {
  attempt,
  libraries,
  options,
  planOf,
  precisions,
  readArray,
  request,
  samples,
  say,
  width,
} from '../session.mjs';

const BATCHES = [1, 2, 3, 5, 8, 13, 20, 31, 32, 40];
/** Every way in FP32, whose limit is the sharpest. */
const WAYS = [
  ...[1, 2, 4, 8].map((lanes) => ({ lanes })),
  { lanes: 2, cudaGraphs: false },
  { lanes: 2, poll: true },
];
const FEWER = [{ lanes: 2 }, { lanes: 2, cudaGraphs: false }];
/** Of the spread: the bundle's own limit for fp32; half precision and less are judged on the recorded windows. */
const LIMITS = { fp32: samples.tolerance, fp16: 0.02, int8: 0.2 };
const turned = new Set(samples.monthTurn);

for (const precision of precisions()) {
  for (const way of precision === 'fp32' ? WAYS : FEWER) {
    await attempt({ step: 'numbers', precision, way }, async () => {
      const engine = await TFTEngine.load(planOf(precision), {
        backend: 'tensorrt',
        tensorrt: { ...libraries, ...way },
      });
      let largest = 0;
      for (const batch of BATCHES) {
        const windows = Array.from({ length: batch }, (_, i) => (i * 7 + batch) % samples.count);
        // Twice: the first run of a batch size is enqueued plainly, the next ones are a graph.
        for (let i = 0; i < 3; i++) {
          const { data } =
            i < 2 ? await engine.predict(request(windows)) : engine.predictSync(request(windows));
          windows.forEach((window, server) => {
            if (!turned.has(window)) largest = Math.max(largest, difference(data, server, window));
          });
        }
      }
      await engine.close();
      const ofSpread = largest / samples.spread;
      say({ kind: 'numbers', precision, way, largest, ofSpread, limit: LIMITS[precision] });
      // The doubles have a model of their own.
      if (!(ofSpread <= LIMITS[precision]) && !process.env.TFT_REHEARSAL) process.exitCode = 1;
    });
  }
}

function difference(data, server, window) {
  let largest = 0;
  for (let i = 0; i < width; i++) {
    const away = Math.abs(data[server * width + i] - samples.expected[window * width + i]);
    if (!(away <= largest)) largest = away; // NaN too
  }
  return largest;
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
  for (const precision of precisions()) {
    await attempt({ step: 'recorded', precision }, async () => {
      const engine = await TFTEngine.load(planOf(precision), { backend: 'tensorrt', tensorrt: libraries });
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
