// The bare C++ loop, as trtexec has it: what the GPU and the copies take without this package's queue and without
// JavaScript. Also of the graphs brought along: the plain export, and the one without its LSTMs.
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { addon, attempt, libraries, options, percentiles, planOf, say, seconds } from '../session.mjs';

const names = readdirSync(options.work)
  .filter((name) => name.endsWith('.engine') && !name.startsWith('compatible'))
  .map((name) => basename(name, '.engine'));

for (const name of names) {
  const large = /^(wide|large)-/.test(name) ? [128, 512] : [];
  const batches = name.startsWith('large') ? large : [1, 8, 32, ...large];
  for (const batch of batches) {
    for (const cudaGraph of [true, false]) {
      // Each measurement loads the plan again: several streams only where the question is throughput.
      const several = cudaGraph && batch === 32 && ['fp16', 'fp32'].includes(name);
      for (const streams of several ? [1, 2, 4, 8] : [1]) {
        const what = { plan: name, batch, streams, cudaGraph };
        await attempt({ step: 'bare', ...what }, async () => {
          if (!existsSync(planOf(name))) return;
          const { samples, iterations, wallMs, graph } = await addon.measure(
            {
              ...libraries,
              plan: planOf(name),
              batch,
              streams,
              cudaGraph,
              spinWait: true,
              warmUpMs: 100 * seconds,
              durationMs: 400 * seconds,
            },
            () => {},
          ).result;
          const column = (index) => percentiles(samples.filter((_, i) => i % 7 === index));
          say({
            kind: 'bare',
            unit: 'ms',
            ...what,
            captured: graph,
            enqueue: column(1),
            copyIn: column(2),
            compute: column(3),
            copyOut: column(4),
            latency: column(5),
            forecastsPerSecond: Math.round((iterations * batch * 1000) / wallMs),
          });
        });
      }
    }
  }
}
