// Writes the tables of docs/capacity.md from the files of benchmarks/results and the demo bundle, so that no figure is typed.
// `--print` prints them instead; a test compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { shortest } from '../lib/contract/quantiles.js';
import { modelTensors } from '../lib/contract/tensors.js';
import { readSamples } from '../lib/entries/build.js';
import { fleetSchema, SimulatedFleet } from '../lib/fleet/index.js';
import { loadModel } from '../lib/index.js';

const root = new URL('../', import.meta.url);
const DOCUMENT = new URL('docs/capacity.md', root);
const FLEET = 1_000_000;
const PERIODS = [
  { seconds: 5, name: '5 s' },
  { seconds: 300, name: '5 min' },
];

const read = (path) => readFileSync(new URL(`benchmarks/results/${path}`, root), 'utf8');
const result = (path) => JSON.parse(read(path));
const lines = (path) =>
  read(path)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const link = (path, key) => `[${key}](../benchmarks/results/${path})`;
const number = (value, digits = 3) => {
  const rounded = Number(value.toPrecision(digits));
  return rounded >= 1 ? rounded.toLocaleString('en') : String(rounded);
};
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const model = await loadModel(new URL('models/demo', root).pathname);
const PAIR = 'nvidia-h200-x2-2026-11-30-shared-memory';
const H200 = `${PAIR}/fleet-load.json`;
const SERVERS = 'nvidia-h200-x2-2026-11-30/README.md';
const SMALL = 'fleet-load.amd-epyc-2-processors.json';
const LARGE = 'fleet-load-400000.amd-epyc-2-processors.json';
const STORE = 'fleet-store.intel-r-xeon-r-processor-2-processors.json';

/** The largest of the measured rates of an engine on its own. */
function engineRate(devices) {
  const rates = lines(`${PAIR}/results.jsonl`)
    .filter(({ kind, plan }) => kind === 'throughput' && plan === 'fp32')
    .filter(({ way }) => (way.devices?.length ?? 1) === devices)
    .map(({ forecastsPerSecond }) => forecastsPerSecond);
  return Math.max(...rates);
}

/** Forecasts a second of both servers, from the table of the measurement's description. */
function servedRates() {
  const found = /^\| 256 series in bytes, 4 callers \|.*\(([\d,]+) forecasts\).*\(([\d,]+)\)/m.exec(
    read(SERVERS),
  );
  return found.slice(1).map((text) => Number(text.replaceAll(',', '')));
}

function forecasts() {
  const [compiled, node] = servedRates();
  const daemon = (path) => result(path).comparisons.find(({ name }) => name === 'fleet-forecasts').ours;
  const rows = [
    ['the daemon, two processors', daemon(LARGE), link(LARGE, '`fleet-forecasts`')],
    ['the daemon of 500,000 servers, one H200', daemon(H200), link(H200, '`fleet-forecasts`')],
    ['`tft serve`, one H200, 256 series a request', node, link(SERVERS, '256 series in bytes')],
    ['`tft-server`, the same', compiled, link(SERVERS, '256 series in bytes')],
    [
      'the engine in a program, one H200',
      engineRate(1),
      link(`${PAIR}/results.jsonl`, '`throughput`, `fp32`'),
    ],
    ['the engine in a program, two H200', engineRate(2), link(`${PAIR}/results.jsonl`, '`devices: [0, 1]`')],
  ];
  return table(
    [
      'what forecasts',
      'forecasts a second (measured)',
      ...PERIODS.map(({ name }) => `servers, each anew every ${name} (projected)`),
      ...PERIODS.map(({ name }) => `of these for a million at ${name} (projected)`),
      'measurement',
    ],
    rows.map(([what, rate, source]) => [
      what,
      number(rate),
      ...PERIODS.map(({ seconds }) => number(rate * seconds)),
      ...PERIODS.map(({ seconds }) => String(Math.ceil(FLEET / (rate * seconds)))),
      source,
    ]),
  );
}

function records() {
  const rows = [
    ['two processors', result(SMALL).bulkRate, link(SMALL, '`bulkRate`')],
    ['32 processors with an H200', result(H200).bulkRate, link(H200, '`bulkRate`')],
  ];
  return table(
    [
      'machine',
      'records a second (measured, nothing forecast)',
      ...PERIODS.map(({ name }) => `daemons for a million at ${name} (projected)`),
      'measurement',
    ],
    rows.map(([what, rate, source]) => [
      what,
      number(rate),
      ...PERIODS.map(({ seconds }) => String(Math.ceil(FLEET / seconds / rate))),
      source,
    ]),
  );
}

/** Bytes of one forecast's tensors, and of the same in JSON: the mean of the bundle's sample windows. */
async function sizes() {
  const { inputs, outputs } = modelTensors(model);
  const size = (tensors) => tensors.reduce((sum, tensor) => sum + 4 * tensor.size, 0);
  const samples = await readSamples(model);
  // As the service writes them.
  const numbers = (array) => Array.from(array, shortest);
  const request = JSON.stringify(
    Object.fromEntries(inputs.map(({ name, key }) => [name, numbers(samples.inputs[key])])),
  );
  const answer = JSON.stringify(numbers(samples.expected));
  const simulated = new SimulatedFleet(model, 1);
  const some = Array.from({ length: 1000 }, (_, server) =>
    simulated.record(server, Date.UTC(2026, 0, 31, 12)),
  );
  return {
    binary: [size(inputs), size(outputs.slice(0, 1))],
    json: [request.length / samples.count, answer.length / samples.count],
    record: JSON.stringify(some).length / some.length,
  };
}

async function network() {
  const { binary, json, record } = await sizes();
  const rows = [
    ['a forecast by a server elsewhere, binary tensors', ...binary],
    ['the same in JSON', ...json],
    ['a record to a daemon, JSON of `tft simulate`', record, 0],
  ];
  const rate = (bytes, seconds) => `${number((bytes * 8 * FLEET) / seconds / 1e9)} Gbit/s`;
  return table(
    [
      'what is sent',
      'bytes there',
      'bytes back',
      ...PERIODS.map(({ name }) => `a million servers, each every ${name} (projected)`),
    ],
    rows.map(([what, there, back]) => [
      what,
      number(there),
      back === 0 ? 'one answer for all records of a request' : number(back),
      ...PERIODS.map(({ seconds }) => rate(there + back, seconds)),
    ]),
  );
}

function memory() {
  const large = result(LARGE);
  const store = result(STORE);
  const days = fleetSchema.parse({}).retentionDays;
  const stepsADay = 1440 / model.stepMinutes;
  const ring = large.ringBytes / large.servers;
  const forecast = 4 * model.horizon * model.quantiles.length;
  const disk = store.comparisons[0].ours * stepsADay * days;
  const rows = [
    ['memory: the history that the model reads', ring, link(LARGE, '`ringBytes` / `servers`')],
    [
      'memory: the newest forecast',
      forecast,
      `counted: ${model.horizon} steps of ${model.quantiles.length} quantiles in 4 bytes`,
    ],
    [
      `disk: ${days} days of steps and forecasts (\`--data\`)`,
      disk,
      `${link(STORE, '`bytes-a-server-and-step`')} × ${stepsADay} × ${days}`,
    ],
  ];
  return table(
    ['what a server takes', 'bytes', 'a million servers (projected)', 'measurement'],
    rows.map(([what, bytes, source]) => [what, number(bytes), `${number((bytes * FLEET) / 1e9)} GB`, source]),
  );
}

/** The larger of the numbers of daemons that forecasting and receiving need. */
function daemons(forecastFile, recordFile, seconds) {
  const rate = result(forecastFile).comparisons.find(({ name }) => name === 'fleet-forecasts').ours;
  const { bulkRate } = result(recordFile);
  return Math.max(Math.ceil(FLEET / (rate * seconds)), Math.ceil(FLEET / (bulkRate * seconds)));
}

function cost() {
  return table(
    [
      'a million servers, each anew every',
      'two processors',
      'one H200',
      'the H200 costs less when its price is below',
    ],
    PERIODS.map(({ seconds, name }) => {
      const small = daemons(LARGE, SMALL, seconds);
      const gpu = daemons(H200, H200, seconds);
      return [
        name,
        `${small} P`,
        gpu === 1 ? 'P' : `${gpu} P`,
        `${number(small / gpu)} times that of two processors`,
      ];
    }),
  );
}

const tables = {
  forecasts: forecasts(),
  records: records(),
  network: await network(),
  memory: memory(),
  cost: cost(),
};
if (process.argv.includes('--print')) {
  console.log(JSON.stringify(tables));
} else {
  let text = readFileSync(DOCUMENT, 'utf8');
  for (const [name, content] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- table: ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!place.test(text)) throw new Error(`docs/capacity.md has no place for the table '${name}'`);
    text = text.replace(place, (_, begin, end) => `${begin}\n${content}\n\n${end}`);
  }
  writeFileSync(DOCUMENT, text);
}
