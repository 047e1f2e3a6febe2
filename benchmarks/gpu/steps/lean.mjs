// Runs a version-compatible plan on the lean runtime.
import { existsSync } from 'node:fs';
import { TFTEngine } from '../../../lib/index.js';
import { attempt, batchOf, libraries, options, planOf, samples, say } from '../session.mjs';

const plan = planOf('compatible-fp16');
if (existsSync(plan)) {
  const runtimes = [{ runtime: 'full', libraries }];
  if (options.lean)
    runtimes.push({ runtime: 'lean', libraries: { ...libraries, tensorrtPath: options.lean } });
  for (const { runtime, libraries } of runtimes) {
    await attempt({ step: 'lean', runtime }, async () => {
      const engine = await TFTEngine.load(plan, {
        backend: 'tensorrt',
        // Such a plan contains the lean runtime, which is host code.
        tensorrt: { ...libraries, allowHostCode: true },
      });
      const { data } = await engine.predict(batchOf(4));
      const largest = data.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - samples.expected[i])),
        0,
      );
      say({ kind: 'lean', runtime, versions: engine.info.versions, largest });
      await engine.close();
    });
  }
}
