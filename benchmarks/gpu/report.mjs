// Makes report.md and latency.svg of a run's results.jsonl: node benchmarks/gpu/report.mjs FOLDER
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawLatency } from './plot.mjs';

const [folder] = process.argv.slice(2);
const records = readFileSync(join(folder, 'results.jsonl'), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const all = (kind, wanted = {}) =>
  records.filter((record) => record.kind === kind && matches(record, wanted));
const first = (kind, wanted) => all(kind, wanted)[0];
/** Of several, the one with the largest value. */
const best = (list, value) =>
  list.reduce((most, one) => (!most || value(one) > value(most) ? one : most), undefined);

function matches(record, wanted) {
  return Object.entries(wanted).every(([name, value]) =>
    typeof value === 'object'
      ? JSON.stringify(record[name]) === JSON.stringify(value)
      : record[name] === value,
  );
}

const NOT_MEASURED = 'not measured';
const show = (value, digits = 3) =>
  value === undefined || Number.isNaN(value) ? NOT_MEASURED : format(Number(value.toPrecision(digits)));
const format = (value) => (value >= 1000 ? Math.round(value).toLocaleString('en') : String(value));
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const machine = first('machine') ?? {};
const lines = [
  `# ${machine.gpus?.[0] ?? 'a GPU'}, ${(machine.date ?? '').slice(0, 10)}`,
  '',
  `TensorRT ${machine.tensorrt}, CUDA ${machine.cuda / 1000 || '?'} (${machine.smi}), Node ${machine.node}, ` +
    `${machine.processor}; model '${machine.model}'. Made by \`benchmarks/gpu/run.mjs\`; every figure is in results.jsonl.`,
  '',
];
const section = (title, ...content) => lines.push(`## ${title}`, '', ...content, '');

section(
  'Steps',
  table(
    ['step', 'seconds', 'outcome'],
    all('step').map(({ name, seconds, problem }) => [name, show(seconds), problem ?? 'done']),
  ),
);

section(
  'One forecast and many',
  'From JavaScript, from the call to the result, copies included. Latency is of one call at a time, throughput of ready batches.',
  '',
  table(
    [
      'engine',
      'B',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'predictSync p50 ms',
      'forecasts/s',
      'lanes',
      'of the bare loop',
      'GPU %',
      'W',
      'forecasts/J',
      'GPU memory MiB',
    ],
    ['fp32', 'fp16', 'int8', 'wide-fp16', 'large-fp32', 'large-int8'].flatMap((plan) =>
      batchesOf(plan).map((batch) => {
        const latency = best(all('latency', { plan, batch }), ({ promise }) => -promise.p50);
        const rate = best(
          all('throughput', { plan, batch, callers: 'ready batches' }),
          (one) => one.forecastsPerSecond,
        );
        const bare = first('bare', { plan, batch, streams: rate?.way.lanes, cudaGraph: true });
        return [
          plan,
          batch,
          show(latency?.promise.p50),
          show(latency?.promise.p95),
          show(latency?.promise.p99),
          show(latency?.sync.p50),
          show(rate?.forecastsPerSecond, 4),
          rate ? JSON.stringify(rate.way).replace(/["{}]/g, '') : '',
          rate && bare
            ? `${show((100 * rate.forecastsPerSecond) / bare.forecastsPerSecond)} %`
            : NOT_MEASURED,
          show(rate?.utilizationPercent),
          show(rate?.watts),
          show(rate?.forecastsPerJoule),
          show(rate?.memoryMiB, 4),
        ];
      }),
    ),
  ),
);

function batchesOf(plan) {
  return [...new Set(all('latency', { plan }).map(({ batch }) => batch))];
}

const anyPlan = ['fp16', 'fp32', 'int8'].find((plan) => all('latency', { plan }).length > 0);
const ways = [...new Set(all('latency', { plan: anyPlan }).map(({ way }) => JSON.stringify(way)))];
section(
  `Ways to run (${anyPlan})`,
  table(
    [
      'way',
      'p50 ms B=1',
      'B=8',
      'B=32',
      'forecasts/s B=32',
      'single requests/s',
      'processor B=1',
      'event loop p99 ms',
    ],
    ways.map((text) => {
      const way = JSON.parse(text);
      const latency = (batch) => first('latency', { plan: anyPlan, way, batch });
      const rate = (batch, callers) => first('throughput', { plan: anyPlan, way, batch, callers });
      return [
        text.replace(/["{}]/g, ''),
        ...[1, 8, 32].map((batch) => show(latency(batch)?.promise.p50)),
        show(rate(32, 'ready batches')?.forecastsPerSecond, 4),
        show(rate(1, 'single requests')?.forecastsPerSecond, 4),
        `${show(100 * latency(1)?.processorShare)} %`,
        show(rate(1, 'single requests')?.eventLoopDelayMs.p99),
      ];
    }),
  ),
);

const peers = [...new Set(all('peer').map(({ peer, precision }) => `${peer} ${precision}`))];
section(
  'Peers in the same run',
  'PyTorch has its inputs on the GPU and scaled; ours starts from raw values in host memory.',
  '',
  table(
    ['peer', 'B', 'p50 ms', 'forecasts/s', 'ours (best fp16 or fp32) is faster'],
    peers.flatMap((name) =>
      all('peer')
        .filter(({ peer, precision }) => `${peer} ${precision}` === name)
        .map(({ batch, latency, forecastsPerSecond }) => {
          const ours = best(
            all('throughput', { batch, callers: 'ready batches' }).filter(({ plan }) =>
              /fp16|fp32/.test(plan),
            ),
            (one) => one.forecastsPerSecond,
          );
          const ratio = ours && forecastsPerSecond ? ours.forecastsPerSecond / forecastsPerSecond : undefined;
          return [
            name,
            batch,
            show(latency.p50),
            show(forecastsPerSecond, 4),
            ratio ? `${show(ratio)}x` : NOT_MEASURED,
          ];
        }),
    ),
  ),
);

section(
  'The GPU alone',
  'The bare C++ loop (`tft trtexec`): one stream, spinning. `nolstm` is the same graph without its LSTMs.',
  '',
  table(
    [
      'plan',
      'B',
      'compute p50 ms, graph',
      'plain',
      'enqueue p50 ms, graph',
      'plain',
      'copies ms',
      'forecasts/s, best',
    ],
    [...new Set(all('bare').map(({ plan, batch }) => `${plan}|${batch}`))].map((key) => {
      const [plan, batch] = key.split('|');
      const one = (cudaGraph) => first('bare', { plan, batch: Number(batch), streams: 1, cudaGraph });
      const rate = best(all('bare', { plan, batch: Number(batch) }), (record) => record.forecastsPerSecond);
      const graph = one(true);
      return [
        plan,
        batch,
        show(graph?.compute.p50),
        show(one(false)?.compute.p50),
        show(graph?.enqueue.p50),
        show(one(false)?.enqueue.p50),
        show(graph && graph.copyIn.p50 + graph.copyOut.p50),
        `${show(rate?.forecastsPerSecond, 4)} (${rate?.streams} streams)`,
      ];
    }),
  ),
);

const shares = [
  { plan: 'fp32', bare: 'nolstm-fp32', batches: [1, 8, 32] },
  { plan: 'fp16', bare: 'nolstm-fp16', batches: [1, 8, 32] },
  { plan: 'wide-fp16', bare: 'wide-nolstm-fp16', batches: [1, 8, 32, 128, 512] },
].flatMap(({ plan, bare, batches }) =>
  batches.map((batch) => {
    const whole = first('bare', { plan, batch, streams: 1, cudaGraph: true });
    const without = first('bare', { plan: bare, batch, streams: 1, cudaGraph: true });
    const share = whole && without ? 1 - without.compute.p50 / whole.compute.p50 : undefined;
    return [
      plan,
      batch,
      show(whole?.compute.p50),
      show(without?.compute.p50),
      share === undefined ? NOT_MEASURED : `${show(100 * share)} %`,
    ];
  }),
);
section(
  "The two LSTMs' share of GPU time",
  'The profiler waits some 25 microseconds for each layer and hides it; what is left without the LSTMs says it.',
  '',
  table(['plan', 'B', 'whole, ms', 'without LSTMs, ms', 'share'], shares),
);

section(
  'Numbers',
  table(
    ['precision', 'way', 'largest difference, of the spread', 'limit'],
    all('numbers').map(({ precision, way, ofSpread, limit }) => [
      precision,
      JSON.stringify(way).replace(/["{}]/g, ''),
      show(ofSpread),
      limit,
    ]),
  ),
);

const rate = best(all('throughput'), (one) => one.forecastsPerSecond);
const twenty = best(all('latency', { batch: 32 }), ({ promise }) => -promise.p50);
const single = best(all('latency', { batch: 1 }), ({ promise }) => -promise.p50);
section(
  'For a fleet',
  table(
    ['what', 'measured', 'goal'],
    [
      ['one forecast, p50', `${show(single?.promise.p50)} ms`, '0.25 ms'],
      ['forecasts a second', show(rate?.forecastsPerSecond, 4), '100,000'],
      ['20 servers (a batch of 32), p50', `${show(twenty?.promise.p50)} ms`, ''],
      ['servers, each polled every 5 s', show(rate && 5 * rate.forecastsPerSecond, 4), '500,000'],
      ['servers, each polled every 5 min', show(rate && 300 * rate.forecastsPerSecond, 4), '30,000,000'],
      [
        'forecasts per joule',
        show(best(all('throughput'), (one) => one.forecastsPerJoule ?? 0)?.forecastsPerJoule),
        '',
      ],
      ['start to first forecast, plan on disk', `${show(first('cold-start')?.firstForecastMs)} ms`, ''],
    ],
  ),
);

section(
  'Builds',
  table(
    ['plan', 'seconds', 'plan KiB', 'ONNX KiB'],
    all('build').map(({ name, ms, planBytes, onnxBytes }) => [
      name,
      show(ms / 1000),
      show(planBytes / 1024),
      show(onnxBytes / 1024),
    ]),
  ),
);
const errors = all('error');
if (errors.length > 0) {
  section(
    'What failed',
    ...errors.map(
      ({ step, code, message, ...what }) =>
        `- ${step}: ${code ?? ''} ${message.split('\n')[0].slice(0, 300)} (${JSON.stringify({ ...what, kind: undefined })})`,
    ),
  );
}

writeFileSync(join(folder, 'report.md'), `${lines.join('\n').trim()}\n`);
const series = [
  ...['fp16', 'fp32', 'wide-fp16', 'large-fp32'].map((plan) => ({
    name: `tft-tensorrt ${plan}`,
    points: batchesOf(plan).map((batch) => [
      batch,
      best(all('latency', { plan, batch }), ({ promise }) => -promise.p50).promise.p50,
    ]),
  })),
  ...peers.map((name) => ({
    name,
    points: all('peer')
      .filter(({ peer, precision }) => `${peer} ${precision}` === name)
      .map(({ batch, latency }) => [batch, latency.p50]),
  })),
].filter(({ points }) => points.length > 0);
writeFileSync(
  join(folder, 'latency.svg'),
  drawLatency(series, `Latency of a batch, ${machine.gpus?.[0] ?? ''}`),
);
