// The slowest layers of each precision by TensorRT's profiler. It waits for each layer, some 25 microseconds each, so its
// shares of the whole mean little: `nolstm` in the step 'bare' says what the LSTMs take.
import { existsSync } from 'node:fs';
import { addon, attempt, libraries, planOf, precisions, say } from '../session.mjs';

const plans = precisions().map((plan) => ({ plan, batches: [1, 8, 32] }));
if (existsSync(planOf('wide-fp16'))) plans.push({ plan: 'wide-fp16', batches: [1, 8, 32, 128] });

for (const { plan, batches } of plans) {
  for (const batch of batches) {
    await attempt({ step: 'layers', plan, batch }, async () => {
      const { layers = [] } = await addon.measure(
        { ...libraries, plan: planOf(plan), batch, warmUpMs: 50, durationMs: 50, layerProfile: true },
        () => {},
      ).result;
      const all = layers.reduce((sum, { averageMs }) => sum + averageMs, 0);
      const slowest = [...layers].sort((a, b) => b.averageMs - a.averageMs).slice(0, 8);
      say({
        kind: 'layers',
        plan,
        batch,
        layers: layers.length,
        totalMs: all,
        slowest,
      });
    });
  }
}
