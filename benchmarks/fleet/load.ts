// How much of what the bare engine forecasts a second the daemon forecasts while records of all its servers come in every five
// seconds; how long 20 servers take; and how many records a second are taken, with the event loop's delay.
//
// The peer is the engine itself in the same process, asked for full batches again and again. Records are sent by another process,
// `tft simulate`, which shares the machine's cores. --plan PLAN --servers N: on a GPU, with a plan and fewer servers than it
// could forecast in five seconds. --servers N --every 300: as many as memory holds, at steps of five minutes.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Fleet, FleetExtension, fleetSchema, SimulatedFleet } from '../../src/fleet/index.js';
import { TFTEngine } from '../../src/index.js';
import { makeLog, readConfig, Service } from '../../src/service/index.js';
import { more, options, report, Samples, seconds } from '../harness.js';

const EVERY_SECONDS = Number(options.every ?? 5);
/** A run over all servers that has begun is ended. */
const MIN_SECONDS = 15;
/** How many servers have measurements of their own. */
const DISTINCT = 5000;
const { model, samples } = await Samples.load(options.bundle);
const what = options.plan ?? options.bundle;
const maxFleet = Math.max(100_000, Number(options.servers ?? 0));
const settings = fleetSchema.parse({ everySeconds: 86_400, graceSeconds: 0, maxFleet });
const extension = new FleetExtension({ settings });
const service = await Service.start(readConfig({ defaults: { model: what, port: 0 } }), makeLog('warn'), [
  extension,
]);
const fleet = await extension.begin(service);
const simulated = new SimulatedFleet(model, 1);

const bare = await bareRate();
// The engine forecasts for 5 s what it forecasts in 5 s, less a tenth.
const servers = Number(options.servers ?? Math.max(20, Math.floor(bare * EVERY_SECONDS * 0.9)));
console.log(`bare engine: ${bare.toFixed(0)} forecasts/s; ${servers} servers are forecast`);
fill(fleet, 20);
await fleet.forecastNow();
const twenty = await timed(() => fleet.forecastNow());
console.log(`20 servers: ${twenty.toFixed(1)} ms`);
fill(fleet, servers);
const alone = options.plan === undefined ? undefined : await rateOfRuns();
if (alone !== undefined) console.log(`nothing comes in: ${alone.toFixed(0)} forecasts/s`);

const sender = simulate(['--servers', String(servers), '--every', String(EVERY_SECONDS), '--batch', '500']);
const delays = monitorEventLoopDelay({ resolution: 1 });
// Its process takes a while to start.
const already = fleet.intake.counters.accepted;
await until(() => fleet.intake.counters.accepted > already);
const before = { forecasts: fleet.loop.counts.forecasts, records: fleet.intake.counters.accepted };
delays.enable();
const begin = performance.now();
let runs = 0;
while (performance.now() - begin < Math.max(MIN_SECONDS, seconds) * 1000) {
  await fleet.forecastNow();
  runs++;
}
const passed = (performance.now() - begin) / 1000;
delays.disable();
sender.kill();
const forecastRate = (fleet.loop.counts.forecasts - before.forecasts) / passed;
const recordRate = (fleet.intake.counters.accepted - before.records) / passed;
const loadDelay = delays.percentile(99) / 1e6;
console.log(
  `while ${recordRate.toFixed(0)} records/s come in: ${forecastRate.toFixed(0)} forecasts/s, all servers every ` +
    `${(passed / runs).toFixed(1)} s; event loop's delay ${loadDelay.toFixed(1)} ms (99th of 100)`,
);

const bulk = simulate(['--servers', '10000', '--every', '0', '--batch', '1000', '--connections', '2']);
await until(() => fleet.roster.count >= 10_000);
const bulkDelays = monitorEventLoopDelay({ resolution: 1 });
const taken = () => fleet.intake.counters.accepted + fleet.intake.counters.repeated;
const first = taken();
bulkDelays.enable();
const bulkBegin = performance.now();
await new Promise((resolve) => setTimeout(resolve, Math.max(5, seconds) * 1000));
const bulkRate = ((taken() - first) / (performance.now() - bulkBegin)) * 1000;
bulkDelays.disable();
bulk.kill();
console.log(
  `records as fast as they are taken, nothing forecast: ${bulkRate.toFixed(0)} records/s; event loop's delay ` +
    `${(bulkDelays.percentile(99) / 1e6).toFixed(1)} ms (99th of 100)`,
);
const question =
  'how much of what the bare engine forecasts a second does the daemon, while records come in?';
report('fleet-load', question, [more('fleet-forecasts', 'forecasts/s', forecastRate, bare)], {
  servers,
  alone,
  twentyMilliseconds: twenty,
  recordRate,
  loadDelayMilliseconds: loadDelay,
  bulkRate,
  bulkDelayMilliseconds: bulkDelays.percentile(99) / 1e6,
  ringBytes: fleet.ring.bytes,
});
await service.stop();
process.exit();

async function bareRate(): Promise<number> {
  await using engine = await TFTEngine.load(what);
  const { maxBatch, threads } = engine.info;
  const inputs = samples.batch(maxBatch);
  let made = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: threads + 1 }, async () => {
      while (performance.now() - begin < seconds * 1000) {
        await engine.predict(inputs, { borrow: true });
        made += maxBatch;
      }
    }),
  );
  return (made / (performance.now() - begin)) * 1000;
}

/** Gives servers a full window; from some number on they repeat the measurements of others. */
function fill({ intake, ring, stepMs }: Fleet, count: number): void {
  const names = model.metrics.map(({ name }) => name);
  const { open } = ring;
  const steps = Array.from({ length: model.encoderLength + 1 }, (_, at) => open - model.encoderLength + at);
  const windows = Array.from({ length: Math.min(count, DISTINCT) }, (_, server) =>
    steps.map((step) => {
      const record = simulated.record(server, step * stepMs);
      return {
        time: step * stepMs,
        values: names.map((name) => record[name] as number),
        categories: [record.profile as string, 'healthy'],
      };
    }),
  );
  for (let server = 0; server < count; server++) {
    const name = simulated.nameOf(server);
    for (const sample of windows[server % windows.length] as (typeof windows)[0])
      intake.take({ server: name, ...sample, isRecord: true });
  }
}

/** Forecasts a second of the daemon, all servers again and again. */
async function rateOfRuns(): Promise<number> {
  const before = fleet.loop.counts.forecasts;
  const begin = performance.now();
  while (performance.now() - begin < seconds * 1000) await fleet.forecastNow();
  return ((fleet.loop.counts.forecasts - before) / (performance.now() - begin)) * 1000;
}

function simulate(args: readonly string[]): ChildProcess {
  const tft = join(process.cwd(), 'lib/cli/main.js');
  return spawn(process.execPath, [tft, 'simulate', '--url', service.address, ...args], { stdio: 'ignore' });
}

async function timed(what: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 10; run++) {
    const begin = performance.now();
    await what();
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[5] as number;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}
