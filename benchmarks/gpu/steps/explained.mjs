// What explanations cost: the bundle's graph that explains against the one that does not, one call at a time in turns, on the
// profile of up to 32 series. The further outputs of the sample windows are compared with PyTorch's.
import { join } from 'node:path';
import { TFTEngine } from '../../../lib/index.js';
import {
  batchOf,
  libraries,
  model,
  options,
  percentile,
  readArray,
  samples,
  say,
  seconds,
} from '../session.mjs';

const BATCHES = [1, 8, 32];
const settings = { backend: 'tensorrt', precision: 'fp32', cache: options.work, tensorrt: libraries };
if (model.explanation === undefined) {
  console.log('the bundle has no graph that explains');
  process.exit();
}
const { outputs } = model.explanation;

const plain = await TFTEngine.load(options.bundle, settings);
const explained = await TFTEngine.load(options.bundle, { ...settings, explain: true });
for (const batch of BATCHES) {
  const inputs = batchOf(batch);
  const forecast = await explained.predict(inputs);
  const { data } = await plain.predict(inputs);
  const differences = Object.fromEntries(
    outputs.map(({ name }) => [name, difference(forecast, name, batch)]),
  );
  const times = { explained: [], plain: [] };
  const end = performance.now() + 2000 * seconds;
  while (performance.now() < end || times.plain.length < 20) {
    for (const [side, engine] of Object.entries({ explained, plain })) {
      const begin = performance.now();
      await engine.predict(inputs);
      times[side].push(performance.now() - begin);
    }
  }
  say({
    kind: 'explained',
    batch,
    forecasts: largest(forecast.data, (at) => data[at]),
    differences,
    p50: { explained: percentile(times.explained, 0.5), plain: percentile(times.plain, 0.5) },
  });
}
await Promise.all([explained.close(), plain.close()]);

/** The largest difference of an output from PyTorch's. */
function difference(forecast, name, batch) {
  const expected = readArray(join(options.bundle, 'samples', `expected_${name}.bin`), Float32Array);
  const width = expected.length / samples.count;
  return largest(
    forecast.outputs[name].data.subarray(0, batch * width),
    (at) => expected[(Math.floor(at / width) % samples.count) * width + (at % width)],
  );
}

function largest(found, expected) {
  return found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected(at))), 0);
}
