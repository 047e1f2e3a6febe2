// Tests that the service recovers after it was killed under load; with --full more often.
//
// Its clients keep sending requests. Connections may fail, and the service may respond that it is not ready, but every
// forecast must be right. Every other kill hits the service while it loads.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { less, options, percentile, report, seconds } from '../harness.js';
import { Connection, ConnectionError } from './parts/connection.js';
import { freePort, launchService, type Running, startService } from './parts/processes.js';
import { loadReplay } from './parts/recorded-windows.js';
import { kserveRequest, predictionsIn } from './parts/requests.js';
import { Verdict } from './parts/verdict.js';

const KILLS = options.full ? 20 : 4;
const CALLERS = 8;
/** The time under load between two kills. */
const LOAD_MS = Math.min(seconds, 2) * 1000;
/** The time from the start to a kill while it loads. */
const LOADING_MS = 150;
const GOAL_MS = 10_000;
/** Forecasts of other batches and runs differ by rounding only. */
const TOLERANCE = 1e-2;

const { model, source, batches } = await loadReplay(options.bundle);
const requests = batches(1, 16).map((inputs) => kserveRequest(model, inputs));
// A separate home folder for the service's cache.
const cache = mkdtempSync(join(tmpdir(), 'tft-restart-'));
const port = await freePort();
const flags = ['--model', options.bundle];
const env = { TFT_CACHE: cache, XDG_CACHE_HOME: cache };
const begin = () => startService(flags, { port, env });
const verdict = new Verdict();

let service: Running = await begin();
const expected: Float32Array[] = [];
const first = new Connection(port, { keepBodies: true });
for (const request of requests) expected.push(predictionsIn(await first.request(request)));
first.close();

const seenByClients: Record<string, number> = {};
const note = (what: string) => {
  seenByClients[what] = (seenByClients[what] ?? 0) + 1;
};
let wrong = 0;
let ended = false;
let lastAnswer = performance.now();
const clients = Array.from({ length: CALLERS }, async (_, caller) => {
  const connection = new Connection(port, { keepBodies: true });
  for (let turn = caller; !ended; turn++) {
    const index = turn % requests.length;
    try {
      const answer = await connection.request(requests[index] as Buffer);
      const code = /"code":"(\w+)"/.exec(answer.body.toString('latin1', 0, 1000))?.[1];
      note(answer.status === 200 ? '200' : `${answer.status} ${code}`);
      if (answer.status === 200) {
        lastAnswer = performance.now();
        if (!alike(predictionsIn(answer), expected[index] as Float32Array)) wrong++;
      } else await delay(20);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      note(error.code);
      await delay(20);
    }
  }
  connection.close();
});

function alike(found: Float32Array, wanted: Float32Array): boolean {
  return (
    found.length === wanted.length &&
    found.every((value, i) => Math.abs(value - (wanted[i] as number)) < TOLERANCE)
  );
}

const backAfter: number[] = [];
for (let kill = 0; kill < KILLS; kill++) {
  await delay(LOAD_MS);
  const at = performance.now();
  await service.stop('SIGKILL');
  if (kill % 2 === 1) {
    // It is killed again before it is ready.
    const dying = launchService(flags, { port, env });
    await delay(LOADING_MS);
    await dying.stop('SIGKILL');
  }
  service = await begin();
  while (lastAnswer < at && performance.now() - at < GOAL_MS) await delay(10);
  backAfter.push(performance.now() - at);
}
await delay(LOAD_MS);
ended = true;
await Promise.all(clients);
const left = readdirSync(cache, { recursive: true }).map(String);

console.log(
  `replaying ${source} by ${CALLERS} clients through ${KILLS} kills: ${JSON.stringify(seenByClients)}`,
);
const allowed = new Set([
  '200',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'closed',
  '503 ERR_TFT_HTTP_NOT_READY',
]);
const strange = Object.keys(seenByClients).filter((what) => !allowed.has(what));
verdict.expect(
  strange.length === 0,
  `clients saw failed connections only: ${strange.join(', ') || 'nothing else'}`,
);
verdict.expect(
  (seenByClients['200'] ?? 0) > 0 && wrong === 0,
  `${wrong} of ${seenByClients['200']} answers were wrong`,
);
const longest = Math.max(...backAfter);
verdict.expect(longest < GOAL_MS, `each time it was back, the last after ${(longest / 1000).toFixed(1)} s`);
const broken = left.filter((name) => /\.(tmp|lock|part)/.test(name));
verdict.expect(
  broken.length === 0,
  `nothing half-written is left in its cache: ${left.join(', ') || 'it is empty'}`,
);
await service.stop();
rmSync(cache, { recursive: true });
const seen = verdict.end();
report(
  'service-restart',
  'Is the service back, and right, after it was killed under load?',
  [less('time-to-be-back-vs-goal', 'ms', percentile(backAfter, 0.5), GOAL_MS)],
  { replayed: source, kills: KILLS, seenByClients, backAfterMs: backAfter, seen },
);
