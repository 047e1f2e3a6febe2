// Compares tft-server, the server in C++, with the Node service and with FastAPI: the same model, which does nothing, the same
// load, in turns. What remains of the C++ server's time without its engine's is printed as its overhead.
//
// With --plan both of our servers run that plan on a GPU.
import { existsSync } from 'node:fs';
import { type Comparison, less, more, options, report, seconds } from '../harness.js';
import { type Call, inTurnsOf, type Summary, summary, type Times } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { noopBundle } from './parts/noop-bundle.js';
import {
  IN_WORKERS,
  NotStarted,
  type Running,
  residentBytes,
  startCppServer,
  startFastApi,
  startService,
} from './parts/processes.js';
import { parseMetrics } from './parts/prometheus-text.js';
import { loadReplay } from './parts/recorded-windows.js';
import { bareRequest, get, jsonRequest, kserveRequest, predictionsIn } from './parts/requests.js';

const PROGRAM = process.env.TFT_SERVER_PROGRAM ?? 'build/server/cpp/server/tft-server';
const VARIETY = 16;
const THREADS = 2;
/** How each request is written, how many series it has, and how many callers send it at once. */
const LOADS = [
  { format: 'binary', batch: 1, callers: 1 },
  { format: 'json', batch: 1, callers: 1 },
  { format: 'binary', batch: 32, callers: 1 },
  { format: 'json', batch: 32, callers: 1 },
  { format: 'binary', batch: 1, callers: 16 },
  { format: 'json', batch: 1, callers: 16 },
  ...(options.plan ? [{ format: 'binary', batch: 256, callers: 4 } as const] : []),
] as const;
/** `workers` is the Node service with ONNX Runtime in worker threads, as where the addon is not. */
type Side = 'cpp' | 'node' | 'workers' | 'fastapi';

if (!existsSync(PROGRAM)) {
  console.log('skipped: tft-server is not built; npm run build:server');
  process.exit(0);
}
const { plan } = options;
const { model, source, batches } = await loadReplay(options.bundle);
console.log(`replaying ${source}, with ${plan ?? 'a model that does nothing'}`);
const servers = new Map<Side, Running>();
if (plan === undefined) await startWithNoop();
else await startWithPlan(plan);

async function startWithPlan(path: string): Promise<void> {
  servers.set('cpp', await startCppServer(PROGRAM, ['--model', options.bundle, '--engine', path]));
  servers.set('node', await startService(['--model', path, '--no-check']));
}

async function startWithNoop(): Promise<void> {
  const noop = noopBundle();
  process.once('exit', () => noop.remove());
  const threads = ['--threads', String(THREADS)];
  servers.set('cpp', await startCppServer(PROGRAM, ['--model', noop.folder, ...threads]));
  servers.set('node', await startService(['--model', noop.folder, ...threads]));
  servers.set('workers', await startService(['--model', noop.folder, ...threads, ...IN_WORKERS]));
  try {
    servers.set('fastapi', await startFastApi(noop.folder, THREADS, 'apart'));
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    console.log(`skipped: FastAPI does not run here: ${error.message.slice(0, 300)}`);
  }
}

/** Requests, and the microseconds that the engine has had them, in all. */
async function engineTotals(): Promise<{ count: number; us: number }> {
  const text = await (await fetch(servers.get('cpp')?.metricsUrl ?? '')).text();
  const samples = parseMetrics(text);
  const of = (name: string) => samples.find((sample) => sample.name === name)?.value ?? Number.NaN;
  return { count: of('nv_inference_request_success'), us: of('nv_inference_request_duration_us') };
}

const figures: Record<string, Summary & { engineUs?: number }> = {};
const comparisons: Comparison[] = [];
for (const { format, batch, callers } of LOADS) {
  const inputs = batches(batch, VARIETY);
  const sides: Record<string, Call> = {};
  for (const [side, { port }] of servers) {
    const binary = side === 'fastapi' ? bareRequest : kserveRequest;
    const requests = inputs.map((one) => (format === 'json' ? jsonRequest : binary)(model, one));
    const first = new Connection(port, { keepBodies: true });
    const { length } = predictionsIn(await first.request(requests[0] as Buffer));
    first.close();
    const expected = batch * model.horizon * model.quantiles.length;
    if (length !== expected) throw new Error(`${side} answers ${length} values, not ${expected}`);
    const connections = Array.from({ length: callers }, () => new Connection(port));
    let turn = 0;
    sides[side] = async (caller) => {
      const { status } = await (connections[caller] as Connection).request(
        requests[turn++ % VARIETY] as Buffer,
      );
      if (status !== 200) throw new Error(`${side} answers with status ${status}`);
    };
  }
  if (callers === 1 && batch === 1) {
    // What the client, the system and HTTP take of it.
    const connection = new Connection(servers.get('cpp')?.port ?? 0);
    sides['cpp-health'] = () => connection.request(get('/v2/health/live'));
  }
  const name = `${format}-B${batch}-${callers}`;
  const before = await engineTotals();
  const times = await inTurnsOf(sides, { callers, seconds, turnSeconds: 0.25 });
  const after = await engineTotals();
  const engineUs = (after.us - before.us) / (after.count - before.count);
  for (const side of Object.keys(sides)) {
    const one = summary(times[side] as Times);
    figures[`${name} ${side}`] = side === 'cpp' ? { ...one, engineUs } : one;
    const shown = [one.p50, one.p99].map((ms) => ms?.toFixed(3) ?? 'too few').join(' / ');
    console.log(`${name} ${side}: p50 / p99 ${shown} ms, ${one.perSecond.toFixed(0)} a second`);
  }
  const cpp = figures[`${name} cpp`] as Summary;
  console.log(`${name}: the engine has a request for ${engineUs.toFixed(0)} us on average`);
  for (const side of ['node', 'workers', 'fastapi']) {
    const peer = figures[`${name} ${side}`];
    if (peer === undefined) continue;
    comparisons.push(
      callers === 1
        ? less(`p50-${name}-vs-${side}`, 'ms', cpp.p50, peer.p50)
        : more(`throughput-${name}-vs-${side}`, '/s', cpp.perSecond, peer.perSecond),
    );
  }
}
const memory = Object.fromEntries(
  [...servers].map(
    ([
      side,
      {
        process: { pid },
      },
    ]) => [side, residentBytes(pid ?? 0)],
  ),
);
for (const [side, bytes] of Object.entries(memory))
  console.log(`${side}: ${(bytes / 2 ** 20).toFixed(0)} MiB resident`);
for (const server of servers.values()) await server.stop();
report(
  plan === undefined ? 'service-server' : 'service-server-plan',
  'What does a server in C++ save, against the Node service and FastAPI?',
  comparisons,
  {
    replayed: source,
    figures,
    residentBytes: memory,
  },
);
