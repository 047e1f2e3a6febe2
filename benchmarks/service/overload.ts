// Tests the service at ten times its capacity; with --full for a minute.
//
// Requests of one series each arrive at a fixed rate, whether or not earlier ones have ended, as from many independent
// clients. Accepted requests must have a bounded latency, refusals must be quick, memory must not grow, and afterwards the
// service must perform as before.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { less, options, percentile, report, seconds } from '../harness.js';
import { inTurnsOf, summary } from './parts/closed-loop.js';
import { Connection, ConnectionError } from './parts/connection.js';
import { HistogramGrowth, LOOP_DELAY, REQUEST_DURATION } from './parts/histogram-growth.js';
import { startService } from './parts/processes.js';
import { processorShares } from './parts/processor-shares.js';
import { loadReplay } from './parts/recorded-windows.js';
import { kserveRequest } from './parts/requests.js';
import { Verdict } from './parts/verdict.js';
import { watchMemory } from './parts/watch-memory.js';

const TIMES_CAPACITY = 10;
const DURATION_MS = (options.full ? 60 : Math.max(seconds, 5)) * 1000;
/** More connections than requests that fit into the longest wait, or nothing would be refused; at least this many. */
const MIN_CONNECTIONS = 2000;
/** The service closes connections beyond its limit, 4,096; the rest are for new clients. */
const MAX_CONNECTIONS = 4000;
/** A client that was not there before asks for the service's health so often, and must have its answer within a second. */
const NEW_CLIENT_EVERY_MS = 100;
const NEW_CLIENT_WAITS_MS = 1000;
/** At first nearly every request opens a new connection, up to the maximum; this phase is reported separately. */
const RUSH_MS = 2000;
const CALLERS = 16;
const TICK_MS = 2;
/** The service's limit on the time that a request waits, and the time that a run and the machine may add. */
const MAX_WAIT_MS = 2000;
const GRACE_MS = 1000;
/** Half of the refusals must arrive within this time. */
const QUICK_MS = 100;
const ALLOWED_GROWTH_MIB = 48;

const { model, source, batches } = await loadReplay(options.bundle);
const requests = batches(1, 64).map((inputs) => kserveRequest(model, inputs));
let sent = 0;
const nextRequest = () => requests[sent++ % requests.length] as Buffer;
const service = await startService(['--model', options.bundle, '--max-wait-ms', String(MAX_WAIT_MS)]);
const verdict = new Verdict();

/** Calls per second and latency without overload. */
async function atEase() {
  const own = Array.from({ length: CALLERS }, () => new Connection(service.port));
  const statuses = new Set<number>();
  const call = async (caller: number) => {
    statuses.add((await (own[caller] as Connection).request(nextRequest())).status);
  };
  const { busy } = await inTurnsOf({ busy: call }, { callers: CALLERS, seconds });
  const { alone } = await inTurnsOf({ alone: call }, { callers: 1, seconds: Math.min(2, seconds) });
  for (const connection of own) connection.close();
  return { capacity: summary(busy).perSecond, p50: summary(alone).p50, statuses: [...statuses] };
}

/** The results of requests after the rush of connections at the beginning, and of those in it. */
class Outcome {
  readonly rush: number[] = [];
  readonly accepted: number[] = [];
  readonly refused: number[] = [];
  readonly statuses: Record<string, number> = {};
  /** Requests not sent because no connection was free: the generator's limit. */
  dropped = 0;
  withoutRetryAfter = 0;

  note(status: string, milliseconds: number, inRush: boolean): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (inRush) this.rush.push(milliseconds);
    else if (status === '200') this.accepted.push(milliseconds);
    else this.refused.push(milliseconds);
  }
}

async function overload(perSecond: number, outcome: Outcome): Promise<number> {
  const busy = Math.ceil((1.2 * (perSecond / TIMES_CAPACITY) * MAX_WAIT_MS) / 1000);
  const maxConnections = Math.min(Math.max(MIN_CONNECTIONS, busy), MAX_CONNECTIONS);
  const free: Connection[] = [];
  const all: Connection[] = [];
  const underWay = new Set<Promise<void>>();
  const begin = performance.now();
  const ask = async () => {
    let connection = free.pop();
    if (connection === undefined) {
      if (all.length >= maxConnections) {
        outcome.dropped++;
        return;
      }
      connection = new Connection(service.port);
      all.push(connection);
    }
    const start = performance.now();
    const inRush = start < begin + RUSH_MS;
    try {
      const { status, head } = await connection.request(nextRequest());
      outcome.note(String(status), performance.now() - start, inRush);
      if ((status === 503 || status === 429) && !head.includes('\r\nretry-after: '))
        outcome.withoutRetryAfter++;
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      outcome.note(error.code, performance.now() - start, inRush);
    }
    free.push(connection);
  };
  let arrived = 0;
  for (let now = begin; now < begin + DURATION_MS; now = performance.now()) {
    for (const due = ((now - begin) * perSecond) / 1000; arrived < due; arrived++) {
      const one = ask().finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await delay(TICK_MS);
  }
  const offered = (arrived * 1000) / (performance.now() - begin);
  await Promise.all(underWay);
  for (const connection of all) connection.close();
  return offered;
}

/** Begins to ask for the service's health, each time as a new client; the result ends it and has their waits. */
function newClients(): () => Promise<number[]> {
  const waits: number[] = [];
  const underWay = new Set<Promise<void>>();
  const ask = async () => {
    const client = new Connection(service.port);
    const start = performance.now();
    try {
      await client.request(Buffer.from('GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'));
      waits.push(performance.now() - start);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      waits.push(Number.POSITIVE_INFINITY);
    }
    client.close();
  };
  const timer = setInterval(() => {
    const one = ask().finally(() => underWay.delete(one));
    underWay.add(one);
  }, NEW_CLIENT_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await Promise.all(underWay);
    return waits;
  };
}

const before = await atEase();
console.log(
  `replaying ${source}; ${before.capacity.toFixed(0)} forecasts/s at ease, p50 of one ${before.p50.toFixed(1)} ms`,
);
const outcome = new Outcome();
const own = monitorEventLoopDelay({ resolution: 5 });
own.enable();
const durations = new HistogramGrowth(service.metricsUrl, REQUEST_DURATION);
const loopDelays = new HistogramGrowth(service.metricsUrl, LOOP_DELAY);
const ends = [await durations.during(), await loopDelays.during()];
const endWatch = watchMemory(service.process.pid as number);
const endNewClients = newClients();
const endShares = processorShares(service.process.pid as number);
const offered = await overload(before.capacity * TIMES_CAPACITY, outcome);
const shares = endShares();
const newClientWaits = await endNewClients();
const memory = endWatch();
own.disable();
for (const end of ends) await end();
const service99 = { requestMs: durations.take(), loopDelayMs: loopDelays.take() };
const { rush, accepted, refused, statuses, dropped, withoutRetryAfter } = outcome;
const readyAt = performance.now();
const health = `http://127.0.0.1:${service.port}/v2/health/ready`;
while ((await fetch(health)).status !== 200 && performance.now() - readyAt < 10_000) await delay(20);
const recoveryMs = performance.now() - readyAt;
const after = await atEase();

const times = (list: readonly number[]) =>
  [0.5, 0.99, 1].map((part) => percentile(list, part).toFixed(0)).join(' / ');
console.log(
  `offered ${offered.toFixed(0)} /s for ${DURATION_MS / 1000} s: ${JSON.stringify(statuses)}, ${dropped} never sent`,
);
console.log(`accepted: p50 / p99 / longest ${times(accepted)} ms; refused: ${times(refused)} ms`);
console.log(`in the rush of new connections at the beginning, all: ${times(rush)} ms`);
console.log(`health, asked by ${newClientWaits.length} new clients: ${times(newClientWaits)} ms`);
console.log(
  `by the service's own metrics: p99 of all requests ${service99.requestMs.toFixed(0)} ms, of its event loop's delay ${service99.loopDelayMs.toFixed(1)} ms`,
);
console.log(
  `processors used: ${Object.entries(shares)
    .map(([who, used]) => `${who} ${used.toFixed(2)}`)
    .join(', ')}`,
);
console.log(
  `the generator's own event loop was up to ${(own.max / 1e6).toFixed(0)} ms late: its part in those times`,
);
console.log(
  `resident: ${memory.first.toFixed(0)} MiB before, ${memory.early.toFixed(0)} early, ${memory.late.toFixed(0)} late, ${memory.most.toFixed(0)} at most`,
);
verdict.expect(service.process.exitCode === null, 'the service lives');
verdict.expect(
  offered > 0.8 * before.capacity * TIMES_CAPACITY,
  `${(offered / before.capacity).toFixed(1)} times the capacity was offered`,
);
const strange = Object.keys(statuses).filter((status) => !['200', '429', '503', '504'].includes(status));
verdict.expect(strange.length === 0, `only forecasts and refusals: ${strange.join(', ') || 'nothing else'}`);
verdict.expect(accepted.length > 0 && refused.length > 0, 'some were accepted, some refused');
verdict.expect(withoutRetryAfter === 0, `${withoutRetryAfter} refusals without Retry-After`);
const longest = percentile(accepted, 1);
verdict.expect(longest < MAX_WAIT_MS + GRACE_MS, `the longest accepted took ${longest.toFixed(0)} ms`);
const rushLongest = percentile(rush, 1);
verdict.expect(
  rushLongest < 2 * MAX_WAIT_MS + GRACE_MS,
  `the longest in the rush took ${rushLongest.toFixed(0)} ms`,
);
const newClientLongest = percentile(newClientWaits, 1);
verdict.expect(
  newClientLongest < NEW_CLIENT_WAITS_MS,
  `the longest that a new client waited for the service's health was ${newClientLongest.toFixed(0)} ms`,
);
const refusedIn = percentile(refused, 0.5);
verdict.expect(refusedIn < QUICK_MS, `half of the refused knew it within ${refusedIn.toFixed(1)} ms`);
const growth = memory.late - memory.early;
verdict.expect(
  growth < ALLOWED_GROWTH_MIB,
  `memory grew by ${growth.toFixed(1)} MiB between second and last quarter`,
);
verdict.expect(recoveryMs < 5000, `ready again after ${recoveryMs.toFixed(0)} ms`);
verdict.expect(
  after.statuses.join() === '200',
  `afterwards every request is answered: ${after.statuses.join()}`,
);
verdict.expect(
  after.p50 < 2 * before.p50 && after.capacity > before.capacity / 2,
  `as quick as before: ${after.capacity.toFixed(0)} /s, p50 ${after.p50.toFixed(1)} ms`,
);
await service.stop();
const seen = verdict.end();
report(
  'service-overload',
  `Does the service stay well at ${TIMES_CAPACITY} times its capacity?`,
  [
    less('accepted-p99-vs-longest-wait', 'ms', percentile(accepted, 0.99), MAX_WAIT_MS),
    less('refused-p50-vs-goal', 'ms', refusedIn, QUICK_MS),
    less('new-client-longest-vs-goal', 'ms', newClientLongest, NEW_CLIENT_WAITS_MS),
    less('p50-after-vs-before', 'ms', after.p50, before.p50),
    less('memory-late-vs-early', 'MiB', memory.late, memory.early),
  ],
  {
    replayed: source,
    seconds: DURATION_MS / 1000,
    offered,
    statuses,
    dropped,
    shares,
    service99,
    memory,
    recoveryMs,
    seen,
  },
);
