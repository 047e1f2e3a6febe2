// Where the time goes: the layers of each precision by TensorRT's profiler, and the share of the two LSTMs. The
// profiler waits for each layer, so small ones look larger than they are; `nolstm` in the step 'bare' says it better.
import { addon, attempt, libraries, planOf, precisions, say } from '../session.mjs';

for (const precision of precisions()) {
  for (const batch of [1, 8, 32]) {
    await attempt({ step: 'layers', precision, batch }, async () => {
      const { layers = [] } = await addon.measure(
        { ...libraries, plan: planOf(precision), batch, warmUpMs: 50, durationMs: 50, layerProfile: true },
        () => {},
      ).result;
      const all = layers.reduce((sum, { averageMs }) => sum + averageMs, 0);
      const recurrent = layers.filter(({ name }) => /lstm|loop|recurren/i.test(name));
      const share = recurrent.reduce((sum, { averageMs }) => sum + averageMs, 0) / all;
      const slowest = [...layers].sort((a, b) => b.averageMs - a.averageMs).slice(0, 8);
      say({
        kind: 'layers',
        precision,
        batch,
        layers: layers.length,
        totalMs: all,
        lstmShare: share,
        slowest,
      });
    });
  }
}
