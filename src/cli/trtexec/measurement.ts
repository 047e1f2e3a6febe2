// Writes a measurement as trtexec does: its summary and its JSON files.
import { writeFile } from 'node:fs/promises';
import type { EngineMeasurement, MeasuredRun } from '../../entries/build.js';
import { TFTError } from '../../index.js';
import { statisticsOf } from './statistics.js';

/** The result of a measurement, on a GPU or a CPU. */
export type Measurement = EngineMeasurement;
export type Sample = MeasuredRun;

const ROWS = [
  ['Latency', 'latency'],
  ['Enqueue Time', 'enqueue'],
  ['H2D Latency', 'h2d'],
  ['GPU Compute Time', 'compute'],
  ['D2H Latency', 'd2h'],
] as const satisfies readonly (readonly [string, keyof Sample])[];

/** The summary in trtexec's terms, where a query is a batch. */
export function summary({ batch, wallMs, samples }: Measurement): string {
  const perSecond = (samples.length / wallMs) * 1000;
  const lines = ['=== Performance summary ===', `Throughput: ${figure(perSecond)} qps`];
  for (const [title, name] of ROWS) {
    const times = samples.flatMap((sample) => sample[name] ?? []);
    if (times.length === 0) continue;
    const { min, max, mean, median, p90, p95, p99 } = statisticsOf(times);
    lines.push(
      `${title}: min = ${figure(min)} ms, max = ${figure(max)} ms, mean = ${figure(mean)} ms, ` +
        `median = ${figure(median)} ms, percentile(90%) = ${figure(p90)} ms, ` +
        `percentile(95%) = ${figure(p95)} ms, percentile(99%) = ${figure(p99)} ms`,
    );
  }
  lines.push(`Total Host Walltime: ${figure(wallMs / 1000)} s`);
  const compute = samples.flatMap((sample) => sample.compute ?? []);
  if (compute.length > 0) {
    lines.push(`Total GPU Compute Time: ${figure(compute.reduce((sum, time) => sum + time, 0) / 1000)} s`);
  }
  lines.push(`Forecasts: ${figure(perSecond * batch)} a second (${samples.length} queries of ${batch})`);
  return `${lines.join('\n')}\n`;
}

/** The layers with their times, in the format of trtexec's profile. */
export function profileTable(layers: NonNullable<Measurement['layers']>): string {
  const total = layers.reduce((sum, { averageMs }) => sum + averageMs, 0);
  const lines = layers.map(
    ({ name, averageMs, calls }) =>
      `${(averageMs * calls).toFixed(2).padStart(11)} ${averageMs.toFixed(4).padStart(16)} ` +
      `${((averageMs / total) * 100).toFixed(1).padStart(7)}   ${name}`,
  );
  const [first] = layers;
  return [
    `=== Profile (${first?.calls ?? 0} iterations) ===`,
    `  Time (ms)   Avg. Time (ms)  Time %   Layer`,
    ...lines,
    `${''.padStart(11)} ${total.toFixed(4).padStart(16)} ${'100.0'.padStart(7)}   Total`,
    '',
  ].join('\n');
}

/** trtexec's --exportTimes: an entry for each run, with the times that are measured here. */
export async function exportTimes(path: string, { samples }: Measurement): Promise<void> {
  const entries = samples.map(({ start, end, latency, enqueue, h2d, compute, d2h }) => ({
    startEnqMs: start,
    ...(enqueue === undefined ? {} : { endEnqMs: start + enqueue }),
    endD2hMs: end,
    ...(h2d === undefined ? {} : { h2dMs: h2d }),
    ...(compute === undefined ? {} : { computeMs: compute }),
    ...(d2h === undefined ? {} : { d2hMs: d2h }),
    latencyMs: latency,
  }));
  await write(path, `[\n${entries.map((entry) => `  ${JSON.stringify(entry)}`).join(',\n')}\n]\n`);
}

/** trtexec's --exportProfile: the number of runs, then an entry for each layer. */
export async function exportProfile(path: string, layers: NonNullable<Measurement['layers']>): Promise<void> {
  const total = layers.reduce((sum, { averageMs }) => sum + averageMs, 0);
  const entries = [
    { count: layers[0]?.calls ?? 0 },
    ...layers.map(({ name, averageMs, calls }) => ({
      name,
      timeMs: averageMs * calls,
      averageMs,
      percentage: (averageMs / total) * 100,
    })),
  ];
  await write(path, `${JSON.stringify(entries, null, 2)}\n`);
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** Six digits, as trtexec writes numbers. */
function figure(value: number): string {
  return String(Number(value.toPrecision(6)));
}
