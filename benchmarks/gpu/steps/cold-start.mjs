// The time from process start to the first forecast with a plan file, in a new process for each trial.
import { spawnSync } from 'node:child_process';
import { held } from '../held.mjs';
import { attempt, batchOf, libraries, planOf, plans, say } from '../session.mjs';

if (process.env.TFT_COLD_START) {
  const { TFTEngine } = await import('../../../lib/index.js');
  const engine = await TFTEngine.load(process.env.TFT_COLD_START, {
    backend: 'tensorrt',
    tensorrt: libraries,
  });
  const loaded = performance.now();
  await engine.predict(batchOf(1));
  console.log(JSON.stringify({ loadedMs: loaded, firstForecastMs: performance.now() }));
  await engine.close();
} else {
  for (const { name, precision } of plans()) {
    await attempt({ step: 'cold-start', plan: name }, async () => {
      if ((await held(name, [1], precision)).length === 0) return;
      const { stdout, stderr, status } = spawnSync(process.execPath, process.argv.slice(1), {
        env: { ...process.env, TFT_COLD_START: planOf(name) },
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      say({ kind: 'cold-start', plan: name, ...JSON.parse(stdout.trim().split('\n').at(-1)) });
    });
  }
}
