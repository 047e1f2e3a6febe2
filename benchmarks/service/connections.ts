// Measures the effect of 1,000 idle and 200 slow connections on other clients; with --full at the service's default timeouts.
//
// Half of the slow ones send their headers a byte at a time, half their body. The service must close them in time, and
// meanwhile answer other clients as quickly as before.
import { setTimeout as delay } from 'node:timers/promises';
import { less, options, report, seconds } from '../harness.js';
import { inTurnsOf, summary } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { startService } from './parts/processes.js';
import { parseMetrics, sumOf } from './parts/prometheus-text.js';
import { loadReplay } from './parts/recorded-windows.js';
import { kserveRequest } from './parts/requests.js';
import { type SlowClient, slowClient } from './parts/slow-client.js';
import { Verdict } from './parts/verdict.js';
import { watchMemory } from './parts/watch-memory.js';

const IDLE = 1000;
const SLOW = 200;
const CALLERS = 2;
/** Milliseconds: the service's settings, by default and in the short form. */
const TIMEOUTS = options.full
  ? { headers: 10_000, request: 30_000, keepAlive: 65_000 }
  : { headers: 2000, request: 4000, keepAlive: 6000 };
/** The delay with which a server may notice a timeout. */
const GRACE_MS = 5000;
const ALLOWED_GROWTH_MIB = 96;

const { model, source, batches } = await loadReplay(options.bundle);
const requests = batches(1, 32).map((inputs) => kserveRequest(model, inputs));
const service = await startService([
  ...['--model', options.bundle, '--headers-timeout-ms', String(TIMEOUTS.headers)],
  ...['--request-timeout-ms', String(TIMEOUTS.request)],
  ...['--keep-alive-timeout-ms', String(TIMEOUTS.keepAlive)],
]);
const verdict = new Verdict();

async function others() {
  const own = Array.from({ length: CALLERS }, () => new Connection(service.port));
  let sent = 0;
  const statuses = new Set<number>();
  const call = async (caller: number) => {
    const request = requests[sent++ % requests.length] as Buffer;
    statuses.add((await (own[caller] as Connection).request(request)).status);
  };
  const { calls } = await inTurnsOf({ calls: call }, { callers: CALLERS, seconds });
  for (const connection of own) connection.close();
  return { ...summary(calls), statuses: [...statuses].join() };
}

async function openConnections(): Promise<number> {
  const answer = await fetch(service.metricsUrl, { headers: { connection: 'close' } });
  return sumOf(parseMetrics(await answer.text()), 'tft_http_connections');
}

async function connectAll(): Promise<SlowClient[]> {
  const all: SlowClient[] = [];
  const line = 'GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n';
  // A few at a time, as in practice.
  const add = async (count: number, make: (index: number) => Promise<SlowClient>) => {
    for (let from = 0; from < count; from += 50) {
      const part = Math.min(50, count - from);
      all.push(...(await Promise.all(Array.from({ length: part }, (_, i) => make(from + i)))));
    }
  };
  // Half of the idle ones have sent a request before, half never send one.
  await add(IDLE, (index) => slowClient(service.port, 'idle', { first: index % 2 ? `${line}\r\n` : '' }));
  await add(SLOW / 2, () => slowClient(service.port, 'slow headers', { rest: Buffer.from(line.repeat(20)) }));
  const request = requests[0] as Buffer;
  const head = request.indexOf('\r\n\r\n') + 4;
  const first = request.toString('latin1', 0, head);
  await add(SLOW / 2, () => slowClient(service.port, 'slow body', { first, rest: request.subarray(head) }));
  return all;
}

const before = await others();
const endWatch = watchMemory(service.process.pid as number);
const crowd = await connectAll();
const open = await openConnections();
const during = await others();
const limits = { idle: TIMEOUTS.keepAlive, 'slow headers': TIMEOUTS.headers, 'slow body': TIMEOUTS.request };
const slowest = Math.max(...Object.values(limits)) + GRACE_MS;
const end = performance.now() + slowest;
while (performance.now() < end && crowd.some(({ ended }) => ended === undefined)) await delay(100);
const memory = endWatch();
const left = await openConnections();
const after = await others();

const ms = (value: number | null) => value?.toFixed(1) ?? '-';
console.log(`replaying ${source} by ${CALLERS} callers beside ${IDLE} idle and ${SLOW} slow connections`);
for (const [when, { perSecond, p50, p99 }] of Object.entries({ before, during, after })) {
  console.log(`${when}: ${perSecond.toFixed(0)} /s, p50 ${ms(p50)} ms, p99 ${ms(p99)} ms`);
}
verdict.expect(open >= IDLE + SLOW, `the service held ${open} connections at once`);
verdict.expect(
  [before, during, after].every(({ statuses }) => statuses === '200'),
  `all others were answered: ${[before, during, after].map(({ statuses }) => statuses).join(' ')}`,
);
const lasted: Record<string, number> = {};
for (const kind of ['slow headers', 'slow body', 'idle'] as const) {
  const group = crowd.filter((client) => client.kind === kind);
  const gone = group.filter(({ ended }) => ended !== undefined);
  const longest = Math.max(0, ...gone.map(({ since, ended }) => (ended as number) - since));
  lasted[kind] = longest;
  const said = new Set(gone.map(({ said }) => said.split('\r\n')[0] || 'nothing'));
  verdict.expect(
    gone.length === group.length && longest < limits[kind] + GRACE_MS,
    `${gone.length} of ${group.length} '${kind}' cut off, the last after ${(longest / 1000).toFixed(1)} s; answers: ${[...said].join(', ')}`,
  );
}
verdict.expect(left < 10, `${left} connections are left`);
const growth = memory.most - memory.first;
verdict.expect(growth < ALLOWED_GROWTH_MIB, `memory grew by ${growth.toFixed(0)} MiB at most`);
for (const client of crowd) client.close();
await service.stop();
const seen = verdict.end();
report(
  'service-connections',
  `What do ${IDLE} idle and ${SLOW} slow connections do to others?`,
  [
    less('p50-beside-them-vs-before', 'ms', during.p50, before.p50),
    less('p50-after-them-vs-before', 'ms', after.p50, before.p50),
  ],
  { replayed: source, timeouts: TIMEOUTS, before, during, after, lasted, memory, seen },
);
