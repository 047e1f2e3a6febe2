// Compares every way to forecasts of the same model on a CPU: in the program, with ONNX Runtime and with LibTorch; and on a
// server on this machine, by the backend 'kserve' or by plain HTTP: the Node service, tft-server, and FastAPI over ONNX Runtime,
// the peer. All take turns in one run, with the same threads; each way's forecasts are compared with PyTorch's first.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge } from '../../src/contract/verdict.js';
import { readSamples, surveyLibraries } from '../../src/entries/build.js';
import { type LoadOptions, TFTEngine } from '../../src/index.js';
import { type Comparison, less, more, options, report, Samples, seconds } from '../harness.js';
import { type Call, inTurnsOf, type Summary, summary } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import {
  IN_WORKERS,
  NotStarted,
  type Running,
  startCppServer,
  startFastApi,
  startService,
} from './parts/processes.js';
import { bareRequest, kserveRequest, predictionsIn } from './parts/requests.js';

const PROGRAM = process.env.TFT_SERVER_PROGRAM ?? 'build/server/cpp/server/tft-server';
/** The demo model as `tft-export export --torchscript` writes it. */
const MODULE = 'test/fixtures/torchscript/demo.ts.pt';
const THREADS = 2;
const LOADS = [
  { batch: 1, callers: 1 },
  { batch: 32, callers: 1 },
  { batch: 1, callers: 16 },
] as const;
const PEER = 'FastAPI, HTTP';

const { bundle } = options;
const { model, samples } = await Samples.load(bundle);
const known = await readSamples(model);
const servers: Running[] = [];
/** By its name: makes the calls of a load, each of which resolves with the forecasts. */
const ways = new Map<string, (batch: number, callers: number) => Call>();

async function addEngine(name: string, path: string, loading: LoadOptions): Promise<void> {
  const engine = await TFTEngine.load(path, loading);
  ways.set(name, (batch) => {
    const inputs = samples.batch(batch);
    return async () => (await engine.predict(inputs)).data;
  });
}

async function addServer(name: string, start: () => Promise<Running>): Promise<void> {
  const server = await start().catch((error: unknown) => {
    if (error instanceof NotStarted) return skip(name, error.message.slice(0, 300));
    throw error;
  });
  if (server === undefined) return;
  servers.push(server);
  if (name !== 'FastAPI') {
    const address = `kserve://127.0.0.1:${server.port}/${model.name}`;
    await addEngine(`${name}, kserve`, address, { backend: 'kserve', bundle });
  }
  const write = name === 'FastAPI' ? bareRequest : kserveRequest;
  ways.set(`${name}, HTTP`, (batch, callers) => {
    const request = write(model, samples.batch(batch));
    const connections = Array.from(
      { length: callers },
      () => new Connection(server.port, { keepBodies: true }),
    );
    return async (caller) => {
      const answer = await (connections[caller] as Connection).request(request);
      if (answer.status !== 200) throw new Error(`${name} answers with status ${answer.status}`);
      return predictionsIn(answer);
    };
  });
}

function skip(name: string, why: string): undefined {
  console.log(`skipped: ${name}: ${why}`);
}

for (const native of [true, false]) {
  const loading = { backend: 'onnxruntime', threads: THREADS, onnxruntime: { native } } as const;
  await addEngine(native ? 'In the program' : 'Worker threads', bundle, loading);
}
const { libTorch } = await surveyLibraries();
if (libTorch === undefined || libTorch instanceof Error) {
  skip('LibTorch', libTorch?.message ?? 'its library is not built: npm run build:libtorch');
} else {
  const folder = mkdtempSync(join(tmpdir(), 'tft-ways-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  copyFileSync(join(bundle, 'model.json'), join(folder, 'model.json'));
  copyFileSync(MODULE, join(folder, 'model.ts.pt'));
  const loading = { backend: 'libtorch', threads: THREADS, verifyHash: false } as const;
  await addEngine('LibTorch', join(folder, 'model.ts.pt'), loading);
}
const flags = ['--model', bundle, '--threads', String(THREADS)];
await addServer('Node service', () => startService(flags));
await addServer('Node service with worker threads', () => startService([...flags, ...IN_WORKERS]));
if (existsSync(PROGRAM)) await addServer('tft-server', () => startCppServer(PROGRAM, flags));
else skip('tft-server', 'it is not built: npm run build:server');
await addServer('FastAPI', () => startFastApi(bundle, THREADS, 'apart'));

/** Compares forecasts of the first `batch` sample windows with PyTorch's. */
function check(name: string, batch: number, found: Float32Array): void {
  const expected = known.expected.subarray(0, batch * (known.expected.length / known.count));
  const some = { ...known, count: batch, expected, monthTurn: new Set<number>() };
  const { maximum, limit, withinLimit } = judge(model, { line: name, precision: 'fp32' }, some, found);
  if (!withinLimit || found.length !== expected.length)
    throw new Error(`${name} at ${batch}: ${maximum} from PyTorch's forecasts, and ${limit} is the limit`);
}

const figures: Record<string, Summary> = {};
const comparisons: Comparison[] = [];
for (const { batch, callers } of LOADS) {
  const calls: Record<string, Call> = {};
  for (const [name, prepare] of ways) {
    const call = prepare(batch, callers);
    check(name, batch, (await call(0)) as Float32Array);
    calls[name] = call;
  }
  const times = await inTurnsOf(calls, { callers, seconds, turnSeconds: 0.5 });
  const load = `B${batch}-${callers}`;
  for (const name of ways.keys()) {
    const one = summary(times[name] as Parameters<typeof summary>[0]);
    figures[`${load} ${name}`] = one;
    console.log(
      `${load} ${name}: p50 ${one.p50.toFixed(2)} ms, ${(one.perSecond * batch).toFixed(0)} forecasts/s`,
    );
  }
  const peer = figures[`${load} ${PEER}`];
  if (peer === undefined) continue;
  for (const name of ways.keys()) {
    if (name === PEER) continue;
    const ours = figures[`${load} ${name}`] as Summary;
    const what = `${load}-${name.toLowerCase().replace(/[^a-z]+/g, '-')}-vs-fastapi`;
    comparisons.push(
      callers === 1
        ? less(`p50-${what}`, 'ms', ours.p50, peer.p50)
        : more(`throughput-${what}`, '/s', ours.perSecond, peer.perSecond),
    );
  }
}
for (const server of servers) await server.stop();
const question = 'How long does a forecast of the same model take in the program, and on a server?';
report('service-ways', question, comparisons, { threads: THREADS, figures });
process.exit();
