// A short run of an engine, for compute-sanitizer.
import { TFTEngine } from '../../../lib/index.js';
import { batchOf, libraries, planOf, say } from '../session.mjs';

// Few runs, because kernels are slow under the sanitizer. The third run of a batch size launches a graph.
const engine = await TFTEngine.load(planOf('fp32'), {
  backend: 'tensorrt',
  tensorrt: { ...libraries, lanes: 1 },
});
for (let i = 0; i < 3; i++) await engine.predict(batchOf(1));
await engine.predict(batchOf(3));
engine.predictSync(batchOf(1));
await engine.close();
say({ kind: 'sanitizer', forecasts: 7 });
