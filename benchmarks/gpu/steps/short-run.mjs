// A short life of an engine, for compute-sanitizer to watch.
import { TFTEngine } from '../../../lib/index.js';
import { batchOf, libraries, planOf, say } from '../session.mjs';

const engine = await TFTEngine.load(planOf('fp16'), {
  backend: 'tensorrt',
  tensorrt: { ...libraries, lanes: 2 },
});
await engine.warmup();
await Promise.all([1, 8, 32, 3].map((batch) => engine.predict(batchOf(batch))));
engine.predictSync(batchOf(1));
await engine.close();
say({ kind: 'sanitizer', forecasts: 45 });
