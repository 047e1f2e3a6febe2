// The slowest layers of each plan by TensorRT's profiler, and the recurrence's share of the whole. The profiler waits about 25
// microseconds for each layer: that adds little if the recurrence is one kernel, and much if it is TensorRT's loop.
import { held } from '../held.mjs';
import { addon, attempt, libraries, model, planOf, plans, say } from '../session.mjs';

const BATCHES = [1, 32, 512];
/** The names of our operator, ONNX's, and the loop that TensorRT makes of the latter. */
const RECURRENCE = /recurren|lstm|loop|unroll/i;
const steps = model.encoderLength + model.horizon;

for (const { name: plan, precision } of plans()) {
  const right = await attempt({ step: 'layers', plan }, () => held(plan, BATCHES, precision));
  for (const batch of right ?? []) {
    await attempt({ step: 'layers', plan, batch }, async () => {
      const { layers = [] } = await addon.measure(
        { ...libraries, plan: planOf(plan), batch, warmUpMs: 50, durationMs: 50, layerProfile: true },
        () => {},
      ).result;
      const sum = (some) => some.reduce((all, { averageMs }) => all + averageMs, 0);
      const recurrence = layers.filter(({ name }) => RECURRENCE.test(name));
      const totalMs = sum(layers);
      const recurrenceMs = sum(recurrence);
      say({
        kind: 'layers',
        plan,
        batch,
        layers: layers.length,
        totalMs,
        ...(recurrence.length > 0 && {
          recurrenceLayers: recurrence.length,
          recurrenceMs,
          recurrenceShare: recurrenceMs / totalMs,
          microsecondsAStep: (1000 * recurrenceMs) / steps,
        }),
        slowest: [...layers].sort((a, b) => b.averageMs - a.averageMs).slice(0, 12),
      });
    });
  }
}
