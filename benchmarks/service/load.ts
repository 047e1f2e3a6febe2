// What does the service cost over calling the library, and how does it compare with a FastAPI service of the same
// model?
//
// Windows of recorded machines are replayed by a closed loop of callers, in batches of 1, 8 and 32, as JSON and as
// bytes; each server is a process of its own, and all sides take turns.
import { TFTEngine } from '../../src/index.js';
import { type Comparison, less, more, options, report, seconds } from '../harness.js';
import { type Call, inTurnsOf, type Summary, summary, type Times } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { LoopDelay } from './parts/loop-delay.js';
import { startFastApi, startService } from './parts/processes.js';
import { loadReplay } from './parts/recorded-windows.js';
import { bareRequest, jsonRequest, kserveRequest, predictionsIn } from './parts/requests.js';

/** Callers at once, by batch size. */
const CALLERS = { 1: 16, 8: 8, 32: 4 } as const;
type Batch = keyof typeof CALLERS;
const BATCHES: readonly Batch[] = [1, 8, 32];
/** Different requests that are replayed for each batch size. */
const VARIETY = 16;
/** What is asked of the service: shares of the library's throughput, and milliseconds. */
const GOALS = { binary: 0.85, json: 0.6, overheadMs: 0.3, loopDelayMs: 20 };
/** Values of a forecast of the same model on the same processor differ by less. */
const TOLERANCE = 1e-2;

const SIDES = ['library', 'binary', 'json', 'fastapi-binary', 'fastapi-json'] as const;
type Side = (typeof SIDES)[number];

const { model, source, batches } = await loadReplay(options.bundle);
console.log(`replaying ${source}`);
const engine = await TFTEngine.load(options.bundle);
const { threads } = engine.info;
const service = await startService(['--model', options.bundle]);
const fastApi = await startFastApi(options.bundle, threads);
console.log(`'${model.name}' on ${engine.info.device}, ${threads} threads on every side`);

/** The calls of every side, each caller with a connection of its own. */
function callsOf(batch: Batch): Record<Side, Call> & { close(): void } {
  const inputs = batches(batch, VARIETY);
  const connections: Connection[] = [];
  const over = (port: number, requests: readonly Buffer[]): Call => {
    const own = Array.from({ length: CALLERS[batch] }, () => new Connection(port));
    connections.push(...own);
    const next = turnsThrough(requests);
    return async (caller) => {
      const { status } = await (own[caller] as Connection).request(next());
      if (status !== 200) throw new Error(`status ${status} from port ${port}`);
    };
  };
  const nextInputs = turnsThrough(inputs);
  return {
    library: () => engine.predict(nextInputs()),
    binary: over(
      service.port,
      inputs.map((one) => kserveRequest(model, one)),
    ),
    json: over(
      service.port,
      inputs.map((one) => jsonRequest(model, one)),
    ),
    'fastapi-binary': over(
      fastApi.port,
      inputs.map((one) => bareRequest(model, one)),
    ),
    'fastapi-json': over(
      fastApi.port,
      inputs.map((one) => jsonRequest(model, one)),
    ),
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
}

function turnsThrough<T>(list: readonly T[]): () => T {
  let index = 0;
  return () => list[index++ % list.length] as T;
}

/** All sides must forecast the same before any is timed. */
async function compareAnswers(batch: Batch): Promise<void> {
  const [inputs] = batches(batch, 1);
  if (inputs === undefined) return;
  const expected = (await engine.predict(inputs)).data;
  for (const [side, port, request] of [
    ['binary', service.port, kserveRequest(model, inputs)],
    ['json', service.port, jsonRequest(model, inputs)],
    ['fastapi-binary', fastApi.port, bareRequest(model, inputs)],
    ['fastapi-json', fastApi.port, jsonRequest(model, inputs)],
  ] as const) {
    const connection = new Connection(port, { keepBodies: true });
    const found = predictionsIn(await connection.request(request));
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
const delays = { binary: new LoopDelay(service.metricsUrl), json: new LoopDelay(service.metricsUrl) };

function keep(name: string, times: Record<Side, Times>): Record<Side, Summary> {
  const all = Object.fromEntries(SIDES.map((side) => [side, summary(times[side])])) as Record<Side, Summary>;
  for (const side of SIDES) {
    figures[`${name} ${side}`] = all[side];
    const { calls, perSecond, p50, p99, p999 } = all[side];
    const shown = [p50, p99, p999].map((ms) => (ms === null ? 'too few' : ms.toFixed(2))).join(' / ');
    console.log(
      `${name} ${side}: ${perSecond.toFixed(1)} /s, p50 / p99 / p99.9 ${shown} ms (${calls} calls)`,
    );
  }
  return all;
}

for (const batch of BATCHES) {
  await compareAnswers(batch);
  const { close, ...sides } = callsOf(batch);
  const times = await inTurnsOf(sides, { callers: CALLERS[batch], seconds }, async (side) =>
    side === 'binary' || side === 'json' ? delays[side].during() : async () => {},
  );
  const all = keep(`B=${batch}, ${CALLERS[batch]} callers,`, times);
  for (const side of ['binary', 'json'] as const) {
    const name = `B${batch}-${side}`;
    const delay = delays[side].take();
    console.log(`B=${batch} ${side}: event-loop delay of the service p99 ${delay.toFixed(2)} ms`);
    (
      figures[`B=${batch}, ${CALLERS[batch]} callers, ${side}`] as { loopDelayP99Ms?: number }
    ).loopDelayP99Ms = delay;
    const peer = all[`fastapi-${side}`];
    comparisons.push(
      more(`throughput-${name}-of-library`, '/s', all[side].perSecond, all.library.perSecond),
      more(`throughput-${name}-vs-fastapi`, '/s', all[side].perSecond, peer.perSecond),
      less(`p50-${name}-vs-fastapi`, 'ms', all[side].p50, peer.p50),
      less(`event-loop-delay-p99-${name}-vs-goal`, 'ms', delay, GOALS.loopDelayMs),
    );
    if (batch === 32) {
      const share = all[side].perSecond / all.library.perSecond;
      comparisons.push(more(`throughput-${name}-share-vs-goal`, 'of the library', share, GOALS[side]));
    }
  }
  if (batch === 1) {
    // One caller alone: what a request takes, not what it waits for.
    const alone = keep('B=1, 1 caller,', await inTurnsOf(sides, { callers: 1, seconds }));
    for (const side of ['binary', 'json'] as const) {
      comparisons.push(
        less(`p50-B1-${side}-alone-vs-fastapi`, 'ms', alone[side].p50, alone[`fastapi-${side}`].p50),
      );
    }
    const overhead = Math.max(0.001, alone.binary.p50 - alone.library.p50);
    comparisons.push(less('overhead-p50-B1-binary-vs-goal', 'ms', overhead, GOALS.overheadMs));
  }
  close();
}

await engine.close();
await service.stop();
await fastApi.stop();
report('service-load', 'What does the service cost over the library, and against FastAPI?', comparisons, {
  replayed: source,
  figures,
});
