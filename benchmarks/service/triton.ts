// Compares the cost of serving a model that does nothing with that of a real Triton server, and our metrics with Triton's
// names and labels.
//
// Triton runs twice: as nvidia-pytriton sets it up, and with its Python backend alone, which is faster.
import { TFTEngine } from '../../src/index.js';
import { type Comparison, less, options, report, seconds } from '../harness.js';
import { type Call, inTurnsOf, type Summary, summary, type Times } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { noopBundle } from './parts/noop-bundle.js';
import { NotStarted, type Running, startService, startTriton } from './parts/processes.js';
import { labelsByName, parseMetrics, type Sample } from './parts/prometheus-text.js';
import { loadReplay } from './parts/recorded-windows.js';
import { kserveRequest, predictionsIn } from './parts/requests.js';

const BATCHES = [1, 8, 32];
const VARIETY = 16;
type Side = 'ours' | 'direct' | 'pytriton' | 'library';

const { model, source, batches } = await loadReplay(options.bundle);
console.log(`replaying ${source}, with a model that does nothing`);
const noop = noopBundle();
const engine = await TFTEngine.load(noop.folder);
const servers: Partial<Record<Side, Running>> = { ours: await startService(['--model', noop.folder]) };
for (const kind of ['direct', 'pytriton'] as const) {
  try {
    servers[kind] = await startTriton(kind);
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    console.log(`skipped: Triton (${kind}) does not run here: ${error.message}`);
  }
}

async function stopAll(): Promise<void> {
  await engine.close();
  for (const server of Object.values(servers)) await server.stop();
  noop.remove();
}

/** The call of every side; each is checked with a first request. */
async function callsOf(batch: number): Promise<Record<string, Call>> {
  const inputs = batches(batch, VARIETY);
  const requests = inputs.map((one) => kserveRequest(model, one));
  let turn = 0;
  const sides: Record<string, Call> = {
    library: () => engine.predict(inputs[turn++ % VARIETY] as (typeof inputs)[number]),
  };
  for (const [side, { port }] of Object.entries(servers) as [Side, Running][]) {
    const looked = new Connection(port, { keepBodies: true });
    const { length } = predictionsIn(await looked.request(requests[0] as Buffer));
    looked.close();
    const expected = batch * model.horizon * model.quantiles.length;
    if (length !== expected) throw new Error(`${side} answers ${length} values, not ${expected}`);
    const connection = new Connection(port);
    sides[side] = async () => {
      const { status } = await connection.request(requests[turn++ % VARIETY] as Buffer);
      if (status !== 200) throw new Error(`${side} answers with status ${status}`);
    };
  }
  return sides;
}

async function metricsOf(server: Running): Promise<Sample[]> {
  return parseMetrics(await (await fetch(server.metricsUrl)).text());
}

/** The inference metrics side by side. */
async function compareMetrics(ours: Running, triton: Running) {
  const mine = labelsByName(await metricsOf(ours));
  const theirs = labelsByName(await metricsOf(triton));
  const isTritons = (name: string) => name.startsWith('nv_');
  const unknown = [...mine.keys()].filter((name) => isTritons(name) && !theirs.has(name));
  const otherLabels = [...mine].filter(
    ([name, labels]) => theirs.has(name) && theirs.get(name)?.join() !== labels.join(),
  );
  const missing = [...theirs.keys()].filter((name) => !mine.has(name));
  console.log(`metrics of Triton's names: ${[...mine.keys()].filter(isTritons).join(', ')}`);
  console.log(`ours that Triton does not have: ${unknown.join(', ') || 'none'}`);
  console.log(`with other labels than Triton's: ${otherLabels.map(([name]) => name).join(', ') || 'none'}`);
  console.log(`Triton's that we do not have: ${missing.join(', ') || 'none'}`);
  // Metrics of GPUs exist only on machines with GPUs, on either side.
  const wrong = unknown.some((name) => name.startsWith('nv_inference')) || otherLabels.length > 0;
  return { unknown, otherLabels: otherLabels.map(([name]) => name), missing, wrong };
}

const comparisons: Comparison[] = [];
const figures: Record<string, Summary> = {};
for (const batch of BATCHES) {
  const sides = await callsOf(batch);
  const times = await inTurnsOf(sides, { callers: 1, seconds, turnSeconds: 0.25 });
  const all: Partial<Record<Side, Summary>> = {};
  for (const side of Object.keys(sides) as Side[]) {
    const one = summary(times[side] as Times);
    all[side] = one;
    figures[`B=${batch} ${side}`] = one;
    const shown = [one.p50, one.p99, one.p999].map((ms) => ms?.toFixed(3) ?? 'too few').join(' / ');
    console.log(`B=${batch} ${side}: p50 / p99 / p99.9 ${shown} ms (${one.calls} calls)`);
  }
  const { ours, library } = all;
  if (ours === undefined || library === undefined) throw new Error('our own sides must run');
  console.log(`B=${batch}: the service adds ${(ours.p50 - library.p50).toFixed(3)} ms to the library's p50`);
  for (const kind of ['direct', 'pytriton'] as const) {
    const peer = all[kind];
    if (peer) comparisons.push(less(`p50-B${batch}-vs-triton-${kind}`, 'ms', ours.p50, peer.p50));
  }
}
const { ours } = servers;
const triton = servers.direct ?? servers.pytriton;
const metrics = ours && triton ? await compareMetrics(ours, triton) : undefined;
await stopAll();
report('service-triton', 'What does serving cost, against a real Triton server?', comparisons, {
  replayed: source,
  figures,
  metrics,
});
if (metrics?.wrong) {
  console.error("the metrics differ from Triton's");
  process.exitCode = 1;
}
