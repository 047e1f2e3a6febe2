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
/** The item with the largest value. */
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

/** The names of our plans that were checked against PyTorch and timed. */
const plans = [...new Set(all('latency').map(({ plan }) => plan))];
const peers = [...new Set(all('peer').map(({ peer, precision }) => `${peer} ${precision}`))];
const nameOf = ({ peer, precision }) => `${peer} ${precision}`;
/** What a call takes, p50, into the caller's array or a new one. */
const callOf = ({ promise, fresh = promise }) => Math.min(promise.p50, fresh.p50);
/** The fastest of our plans at a batch size, for one caller that awaits each call. */
const oursAt = (batch) => best(all('latency', { batch }), (one) => -callOf(one));
const oursMsAt = (batch) => best(all('latency', { batch }).map(callOf), (ms) => -ms);
/** The time of our copies of a batch, in and out, in milliseconds. */
const copiesAt = (batch) => {
  const bare = first('bare', { plan: 'fp32', batch, streams: 1, cudaGraph: true });
  return bare && bare.copyIn.p50 + bare.copyOut.p50;
};
const ratio = (peer, ours) => (peer && ours ? `${show(peer / ours)}x` : NOT_MEASURED);

section(
  'Against the strongest peer',
  'One caller that awaits each batch, p50. Ours is measured in JavaScript, from raw values in host memory to forecasts in ' +
    'host memory, copies included. Peers have their inputs on the GPU and leave their forecasts there; the rows below add ' +
    'the time of our copies.',
  '',
  table(
    ['B', 'ours ms', 'plan', 'strongest peer', 'inputs are', 'peer ms', 'ours is faster'],
    [1, 32, 512].flatMap((batch) => {
      const ours = oursAt(batch);
      const strongest = best(all('peer', { batch }), ({ latency }) => -latency.p50);
      const onGpu = strongest?.latency.p50;
      const copies = copiesAt(batch);
      const fromHost = onGpu !== undefined && copies !== undefined ? onGpu + copies : undefined;
      const rows = [
        ['on the GPU', onGpu],
        ['in host memory', fromHost],
      ];
      return rows.map(([where, ms]) => [
        batch,
        show(oursMsAt(batch)),
        ours ? `${ours.plan}, ${textOf(ours.way)}` : '',
        strongest ? nameOf(strongest) : NOT_MEASURED,
        where,
        show(ms),
        ratio(ms, oursMsAt(batch)),
      ]);
    }),
  ),
);

function textOf(way) {
  return JSON.stringify(way).replace(/["{}]/g, '');
}

section(
  'Steps',
  table(
    ['step', 'seconds', 'outcome'],
    all('step').map(({ name, seconds, problem }) => [name, show(seconds), problem ?? 'done']),
  ),
);

section(
  'One forecast and many',
  'In JavaScript, from the call to the result, copies included. Latency is of one call at a time, throughput of ready batches.',
  '',
  table(
    [
      'engine',
      'B',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'into a new array p50 ms',
      'predictSync p50 ms',
      'forecasts/s',
      'lanes',
      'of the bare loop',
      'GPU %',
      'W',
      'forecasts/J',
      'GPU memory MiB',
    ],
    plans.flatMap((plan) =>
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
          show(latency?.fresh?.p50),
          show(latency?.sync.p50),
          show(rate?.forecastsPerSecond, 4),
          rate ? textOf(rate.way) : '',
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

const anyPlan = plans.includes('fp32') ? 'fp32' : plans[0];
const ways = [...new Set(all('latency', { plan: anyPlan }).map(({ way }) => JSON.stringify(way)))];
section(
  `Ways to run (${anyPlan})`,
  table(
    [
      'way',
      'p50 ms B=1',
      'B=32',
      'B=512',
      'forecasts/s B=32',
      'B=128',
      'B=512',
      'single requests/s',
      'processor B=1',
      'event loop p99 ms',
    ],
    ways.map((text) => {
      const way = JSON.parse(text);
      const latency = (batch) => first('latency', { plan: anyPlan, way, batch });
      const rate = (batch, callers) => first('throughput', { plan: anyPlan, way, batch, callers });
      return [
        textOf(way),
        ...[1, 32, 512].map((batch) => show(latency(batch)?.promise.p50)),
        ...[32, 128, 512].map((batch) => show(rate(batch, 'ready batches')?.forecastsPerSecond, 4)),
        show(rate(1, 'single requests')?.forecastsPerSecond, 4),
        `${show(100 * latency(1)?.processorShare)} %`,
        show(rate(1, 'single requests')?.eventLoopDelayMs.p99),
      ];
    }),
  ),
);

const onPair = ways.map((text) => JSON.parse(text)).filter(({ devices }) => devices?.length === 2);
if (onPair.length > 0) {
  section(
    'Two GPUs',
    'Ready batches, and how many times as many as on the first GPU alone in the same way.',
    '',
    table(
      [
        'way',
        ...[32, 128, 512].flatMap((batch) => [`forecasts/s B=${batch}`, 'of one GPU', 'event loop p99 ms']),
      ],
      onPair.map((way) => [
        textOf(way),
        ...[32, 128, 512].flatMap((batch) => {
          const of = (devices) =>
            first('throughput', { plan: anyPlan, way: { ...way, devices }, batch, callers: 'ready batches' });
          const [both, one] = [of([0, 1]), of([0])];
          return [
            show(both?.forecastsPerSecond, 4),
            ratio(both?.forecastsPerSecond, one?.forecastsPerSecond),
            show(both?.eventLoopDelayMs.p99),
          ];
        }),
      ]),
    ),
  );
}

section(
  'Peers in the same run',
  "'rewritten' is this package's network in PyTorch, from raw inputs; 'prepared' the original, prepared for training, on " +
    'scaled inputs. Each is in a CUDA graph, unless it says eager.',
  '',
  table(
    ['peer', 'B', 'p50 ms', 'with our copies', 'ours is faster', 'forecasts/s', 'compiled in s'],
    peers.flatMap((name) =>
      all('peer')
        .filter((record) => nameOf(record) === name)
        .map(({ peer, batch, latency, forecastsPerSecond, compileSeconds }) => {
          const ours = oursMsAt(batch);
          const copies = peer.startsWith('onnxruntime') ? 0 : copiesAt(batch);
          const fromHost = copies === undefined ? undefined : latency.p50 + copies;
          return [
            name,
            batch,
            show(latency.p50),
            show(fromHost),
            `${ratio(latency.p50, ours)}, ${ratio(fromHost, ours)} with copies`,
            show(forecastsPerSecond, 4),
            compileSeconds === undefined ? '' : show(compileSeconds),
          ];
        }),
    ),
  ),
);

section(
  'The GPU alone',
  'The bare C++ loop (`tft trtexec`): one stream, spinning. Launches are the nodes of the CUDA graph. The recurrence is by ' +
    "TensorRT's profiler, which adds some microseconds to each layer: of a loop of TensorRT's layers its figures are too large.",
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
      'launches',
      'recurrence us',
      'share',
      'us a step',
      'forecasts/s, best',
    ],
    [...new Set(all('bare').map(({ plan, batch }) => `${plan}|${batch}`))].map((key) => {
      const [plan, size] = key.split('|');
      const batch = Number(size);
      const one = (cudaGraph) => first('bare', { plan, batch, streams: 1, cudaGraph });
      const rate = best(all('bare', { plan, batch }), (record) => record.forecastsPerSecond);
      const layers = first('layers', { plan, batch });
      const graph = one(true);
      return [
        plan,
        batch,
        show(graph?.compute.p50),
        show(one(false)?.compute.p50),
        show(graph?.enqueue.p50),
        show(one(false)?.enqueue.p50),
        show(graph && graph.copyIn.p50 + graph.copyOut.p50),
        show(graph?.launches),
        show(layers?.recurrenceMs && 1000 * layers.recurrenceMs),
        layers?.recurrenceShare === undefined ? NOT_MEASURED : `${show(100 * layers.recurrenceShare)} %`,
        show(layers?.microsecondsAStep),
        `${show(rate?.forecastsPerSecond, 4)} (${rate?.streams} streams)`,
      ];
    }),
  ),
);

const percent = (share, digits) => `${show(100 * share, digits)} %`;
const limitOf = ({ limit, shares = [] }) =>
  shares.length > 0
    ? shares.map(({ goal, within }) => `${percent(goal, 6)} within ${percent(within)}`).join(', ')
    : `${limit} of the spread`;
section(
  'Numbers',
  "Comparison with PyTorch's forecasts of the bundle's sample windows before the measurements. Wrong plans were not timed.",
  '',
  table(
    ['plan', 'B or way', 'largest difference, of the spread', 'shares', 'required', ''],
    [...all('held'), ...all('numbers')].map((record) => [
      record.plan,
      record.way ? textOf(record.way) : record.batch,
      show(record.ofSpread ?? Number.POSITIVE_INFINITY),
      (record.shares ?? []).map(({ share }) => percent(share, 6)).join(', '),
      limitOf(record),
      record.withinLimit ? 'right' : '**WRONG**',
    ]),
  ),
);

const rate = best(all('throughput'), (one) => one.forecastsPerSecond);
section(
  'For a fleet',
  table(
    ['what', 'measured', 'goal'],
    [
      ['one forecast, p50', `${show(oursMsAt(1))} ms`, '0.3 ms'],
      ['forecasts a second', show(rate?.forecastsPerSecond, 4), '165,000'],
      ['20 servers (a batch of 32), p50', `${show(oursMsAt(32))} ms`, ''],
      ['servers, each polled every 5 s', show(rate && 5 * rate.forecastsPerSecond, 4), '500,000'],
      ['servers, each polled every 5 min', show(rate && 300 * rate.forecastsPerSecond, 4), '30,000,000'],
      [
        'forecasts per joule',
        show(best(all('throughput'), (one) => one.forecastsPerJoule ?? 0)?.forecastsPerJoule),
        '',
      ],
      ['start to first forecast, plan on disk', `${show(first('cold-start')?.firstForecastMs)} ms`, '1 s'],
    ],
  ),
);

section(
  'Builds',
  table(
    ['plan', 'seconds', 'parts on our kernels', 'plan KiB', 'ONNX KiB'],
    all('build').map(({ name, ms, fused = [], planBytes, onnxBytes }) => [
      name,
      show(ms / 1000),
      fused.length,
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
  ...plans.map((plan) => ({
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
