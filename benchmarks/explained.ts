// Measures what explanations cost: the engine with the bundle's graph that explains, against the same engine without, on one
// thread each, in turns. One prediction at a time, the copies of all outputs included.
import { TFTEngine } from '../src/index.js';
import { type Comparison, inTurns, less, options, percentile, report, Samples } from './harness.js';

const BATCHES = [1, 8, 32];
const settings = { backend: 'onnxruntime', threads: 1, maxBatch: 32 } as const;

const { samples } = await Samples.load(options.bundle);
const explained = await TFTEngine.load(options.bundle, { ...settings, explain: true });
const plain = await TFTEngine.load(options.bundle, settings);
const comparisons: Comparison[] = [];
for (const batch of BATCHES) {
  const inputs = samples.batch(batch);
  const times = await inTurns({
    ours: () => explained.predict(inputs),
    peer: () => plain.predict(inputs),
  });
  const [ours, peer] = [percentile(times.ours, 0.5), percentile(times.peer, 0.5)];
  comparisons.push(less(`explained-B${batch}`, 'ms', ours, peer));
}
await Promise.all([explained.close(), plain.close()]);

report('explained', 'a forecast with its explanation against one without, p50', comparisons);
