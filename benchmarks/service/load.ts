// Measures the overhead of the service over calling the library, and compares it with a FastAPI service of the same model.
//
// A closed loop of callers replays windows of recorded machines in batches of 1, 8 and 32, as JSON and as bytes. Each server
// is a separate process, and all sides take turns.
import { TFTEngine } from '../../src/index.js';
import { type Comparison, less, more, options, report, seconds } from '../harness.js';
import { type Call, inTurnsOf, type Summary, summary, type Times } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { HistogramGrowth, LOOP_DELAY } from './parts/histogram-growth.js';
import { NotStarted, type Running, startFastApi, startService } from './parts/processes.js';
import { loadReplay } from './parts/recorded-windows.js';
import { bareRequest, jsonRequest, kserveRequest, predictionsIn } from './parts/requests.js';

/** The number of concurrent callers, by batch size. */
const CALLERS = { 1: 16, 8: 8, 32: 4 } as const;
type Batch = keyof typeof CALLERS;
const BATCHES: readonly Batch[] = [1, 8, 32];
/** The number of different requests that are replayed for each batch size. */
const VARIETY = 16;
/** The service's goals: shares of the library's throughput, and milliseconds. */
const GOALS = { binary: 0.85, json: 0.6, overheadMs: 0.3, loopDelayMs: 20 };
/** Values of a forecast of the same model on the same processor differ by less. */
const TOLERANCE = 1e-2;

/** FastAPI's two settings of threads; the faster one is compared. */
const PEERS = ['together', 'apart'] as const;
type Kind = 'binary' | 'json';
type Side = 'library' | Kind | `fastapi-${(typeof PEERS)[number]}-${Kind}`;

const { model, source, batches } = await loadReplay(options.bundle);
console.log(`replaying ${source}`);
const engine = await TFTEngine.load(options.bundle);
const { threads } = engine.info;
const service = await startService(['--model', options.bundle]);
const fastApis: { how: (typeof PEERS)[number]; server: Running }[] = [];
try {
  for (const how of PEERS) fastApis.push({ how, server: await startFastApi(options.bundle, threads, how) });
} catch (error) {
  if (!(error instanceof NotStarted)) throw error;
  console.log(`skipped: FastAPI does not run here: ${error.message}`);
}
console.log(`'${model.name}' on ${engine.info.device}, ${threads} threads on every side`);

/** The HTTP sides and their requests. */
const asked: { side: Side; port: number; request: typeof jsonRequest }[] = [
  { side: 'binary', port: service.port, request: kserveRequest },
  { side: 'json', port: service.port, request: jsonRequest },
];
for (const {
  how,
  server: { port },
} of fastApis) {
  asked.push({ side: `fastapi-${how}-binary`, port, request: bareRequest });
  asked.push({ side: `fastapi-${how}-json`, port, request: jsonRequest });
}

/** The calls of every side; each caller has its own connection. */
function callsOf(batch: Batch): { sides: Record<string, Call>; close(): void } {
  const inputs = batches(batch, VARIETY);
  const nextInputs = turnsThrough(inputs);
  const sides: Record<string, Call> = { library: () => engine.predict(nextInputs()) };
  const connections: Connection[] = [];
  for (const { side, port, request } of asked) {
    const own = Array.from({ length: CALLERS[batch] }, () => new Connection(port));
    connections.push(...own);
    const next = turnsThrough(inputs.map((one) => request(model, one)));
    sides[side] = async (caller) => {
      const { status } = await (own[caller] as Connection).request(next());
      if (status !== 200) throw new Error(`${side} answers with status ${status}`);
    };
  }
  return {
    sides,
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
}

function turnsThrough<T>(list: readonly T[]): () => T {
  let index = 0;
  return () => list[index++ % list.length] as T;
}

/** Checks that all sides give the same forecasts before any is timed. */
async function compareAnswers(batch: Batch): Promise<void> {
  const [inputs] = batches(batch, 1);
  if (inputs === undefined) throw new Error('there is nothing to replay');
  const expected = (await engine.predict(inputs)).data;
  for (const { side, port, request } of asked) {
    const connection = new Connection(port, { keepBodies: true });
    const found = predictionsIn(await connection.request(request(model, inputs)));
    connection.close();
    const apart = expected.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (found[i] as number))),
      0,
    );
    if (found.length !== expected.length || !(apart < TOLERANCE)) {
      throw new Error(`${side} answers ${found.length} values, ${apart} apart from the library's`);
    }
  }
}

const comparisons: Comparison[] = [];
const figures: Record<string, Summary & { loopDelayP99Ms?: number | undefined }> = {};
const delays = {
  binary: new HistogramGrowth(service.metricsUrl, LOOP_DELAY),
  json: new HistogramGrowth(service.metricsUrl, LOOP_DELAY),
};

/** Prints and stores the times of the sides. */
function keep(name: string, times: Readonly<Record<string, Times>>): (side: Side) => Summary | undefined {
  for (const [side, one] of Object.entries(times)) {
    const found = summary(one);
    figures[`${name} ${side}`] = found;
    const { calls, perSecond, p50, p99, p999 } = found;
    const shown = [p50, p99, p999].map((ms) => (ms === null ? 'too few' : ms.toFixed(2))).join(' / ');
    console.log(
      `${name} ${side}: ${perSecond.toFixed(1)} /s, p50 / p99 / p99.9 ${shown} ms (${calls} calls)`,
    );
  }
  return (side) => figures[`${name} ${side}`];
}

/** The faster setting of FastAPI. */
function best(of: (side: Side) => Summary | undefined, kind: Kind): Summary | undefined {
  return PEERS.map((how) => of(`fastapi-${how}-${kind}`))
    .filter((one) => one !== undefined)
    .sort((a, b) => b.perSecond - a.perSecond)[0];
}

for (const batch of BATCHES) {
  await compareAnswers(batch);
  const { sides, close } = callsOf(batch);
  const name = `B=${batch}, ${CALLERS[batch]} callers,`;
  const times = await inTurnsOf(sides, { callers: CALLERS[batch], seconds }, async (side) =>
    side === 'binary' || side === 'json' ? delays[side].during() : async () => {},
  );
  const of = keep(name, times);
  const library = of('library');
  for (const side of ['binary', 'json'] as const) {
    const ours = of(side);
    if (ours === undefined || library === undefined) throw new Error('our own sides must run');
    const short = `B${batch}-${side}`;
    const loopDelayP99Ms = delays[side].take();
    figures[`${name} ${side}`] = { ...ours, loopDelayP99Ms };
    comparisons.push(more(`throughput-${short}-of-library`, '/s', ours.perSecond, library.perSecond));
    const peer = best(of, side);
    if (peer) {
      comparisons.push(
        more(`throughput-${short}-vs-fastapi`, '/s', ours.perSecond, peer.perSecond),
        less(`p50-${short}-vs-fastapi`, 'ms', ours.p50, peer.p50),
      );
    }
    comparisons.push(less(`event-loop-delay-p99-${short}-vs-goal`, 'ms', loopDelayP99Ms, GOALS.loopDelayMs));
    if (batch === 32) {
      const share = ours.perSecond / library.perSecond;
      comparisons.push(more(`throughput-${short}-share-vs-goal`, 'of the library', share, GOALS[side]));
    }
  }
  if (batch === 1) {
    // A single caller: the time of a request without waiting in the queue.
    const alone = keep('B=1, 1 caller,', await inTurnsOf(sides, { callers: 1, seconds }));
    for (const side of ['binary', 'json'] as const) {
      const [ours, peer] = [alone(side), best(alone, side)];
      if (ours && peer) comparisons.push(less(`p50-B1-${side}-alone-vs-fastapi`, 'ms', ours.p50, peer.p50));
    }
    const overhead = Math.max(0.001, (alone('binary')?.p50 ?? 0) - (alone('library')?.p50 ?? 0));
    comparisons.push(less('overhead-p50-B1-binary-vs-goal', 'ms', overhead, GOALS.overheadMs));
  }
  close();
}

await engine.close();
await service.stop();
for (const { server } of fastApis) await server.stop();
report('service-load', 'What does the service cost over the library, and against FastAPI?', comparisons, {
  replayed: source,
  figures,
});
