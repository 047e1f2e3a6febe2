// The bare C++ loop, as in trtexec: the time of the GPU and the copies, without this package's queue and without JavaScript.
// Also for the further graphs (--also).
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { held } from '../held.mjs';
import {
  addon,
  attempt,
  BATCHES,
  libraries,
  options,
  percentiles,
  planOf,
  plans,
  say,
  seconds,
} from '../session.mjs';

const also = options.also
  ? readdirSync(options.also)
      .filter((file) => file.endsWith('.onnx'))
      .map((file) => ({ name: basename(file, '.onnx'), precision: 'fp32' }))
  : [];

for (const { name, precision } of [...plans(), ...also]) {
  const right = await attempt({ step: 'bare', plan: name }, () => held(name, BATCHES, precision));
  for (const batch of right ?? []) {
    for (const cudaGraph of [true, false]) {
      // Each measurement loads the plan again, so several streams are used for throughput only.
      const several = cudaGraph && [32, 512].includes(batch) && name === 'fp32';
      for (const streams of several ? [1, 2, 4, 8] : [1]) {
        const what = { plan: name, batch, streams, cudaGraph };
        await attempt({ step: 'bare', ...what }, async () => {
          const { samples, iterations, wallMs, graph, graphNodes } = await addon.measure(
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
            launches: graph ? graphNodes : undefined,
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
