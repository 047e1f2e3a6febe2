// Measures forecasts from JavaScript, copies included: the latency of one call at a time, the throughput of ready batches and
// of single requests from many callers, and the GPU's utilization, power and memory.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { TFTEngine } from '../../../lib/index.js';
import { GpuMeter } from '../gpu-meter.mjs';
import { held } from '../held.mjs';
import {
  addon,
  attempt,
  BATCHES,
  batchOf,
  libraries,
  percentiles,
  planOf,
  plans,
  say,
  seconds,
  width,
} from '../session.mjs';

const CALLS = Math.max(10, Math.round(300 * Math.min(1, seconds)));
/** Large batches take milliseconds, so fewer calls are enough. */
const MAX_MS = 2000 * seconds;
const [first, second] = (await addon.loadLibraries(libraries)).devices;
const pair = second?.name === first?.name;
/**
 * The ways to measure each plan: all for fp32, fewer for the plans for comparison. Each caller of the measurement of throughput
 * has inputs of its own and, with `out`, one array for all its results, so that it leaves nothing to collect. With `shared` they are
 * in shared memory.
 */
const AT_FULL_LOAD = [
  { borrow: true },
  { borrow: true, out: true },
  { borrow: true, out: true, shared: true },
];
const WAYS = {
  fp32: [
    ...[1, 2, 4, 8].map((lanes) => ({ lanes })),
    { lanes: 2, splitFrom: 0 },
    { lanes: 2, cudaGraphs: false },
    { lanes: 2, poll: true },
    ...(pair ? [[0], [0, 1]] : [undefined]).flatMap((devices) =>
      AT_FULL_LOAD.map((way) => ({ lanes: 8, ...(devices && { devices }), ...way })),
    ),
  ],
  'fp32-layers': [{ lanes: 2 }, { lanes: 4 }],
};
const FEWER = [{ lanes: 4 }];
const meter = new GpuMeter();

for (const { name: plan, precision } of plans()) {
  const right = await attempt({ step: 'speed', plan }, () => held(plan, BATCHES, precision));
  if (!right?.length) continue;
  for (const way of WAYS[plan] ?? FEWER) {
    await attempt({ step: 'speed', plan, way }, async () => {
      const cold = performance.now();
      const { borrow, out, shared, ...loading } = way;
      const engine = await TFTEngine.load(planOf(plan), {
        backend: 'tensorrt',
        queueLimit: 1 << 16,
        tensorrt: { ...libraries, ...loading },
      });
      const loadMs = performance.now() - cold;
      const warm = performance.now();
      await engine.warmup();
      say({ kind: 'load', plan, way, loadMs, warmupMs: performance.now() - warm });
      for (const batch of right) {
        const inputs = () => (shared ? inSharedMemory(batchOf(batch)) : batchOf(batch));
        await latency({ plan, way, batch }, engine, inputs(), borrow);
        const lanes = engine.info.threads;
        await throughput({ plan, way, batch, callers: 'ready batches' }, engine, inputs, 3 * lanes);
        if (batch === 1) {
          // As in a fleet's service: the queue forms the batches.
          await throughput(
            { plan, way, batch, callers: 'single requests' },
            engine,
            inputs,
            32 * (lanes + 1),
          );
        }
      }
      await engine.close();
    });
  }
}
if (plans().length === 0) throw new Error('there is no plan to measure');

async function latency(what, engine, inputs, borrow) {
  const out = arrayOf(what);
  for (let i = 0; i < 10; i++) await engine.predict(inputs, { out, borrow });
  const before = engine.counters();
  const promise = [];
  const call = [];
  const fresh = [];
  const sync = [];
  const until = performance.now() + MAX_MS;
  const goesOn = (done, most) => done < most && (done < 10 || performance.now() < until);
  for (let i = 0; goesOn(i, CALLS); i++) {
    const start = performance.now();
    const pending = engine.predict(inputs, { out, borrow });
    call.push(performance.now() - start);
    await pending;
    promise.push(performance.now() - start);
  }
  const after = engine.counters();
  for (let i = 0; i < promise.length / 2; i++) {
    const start = performance.now();
    await engine.predict(inputs, { borrow });
    fresh.push(performance.now() - start);
  }
  const mean = (name) => (after[name] - before[name]) / (1000 * promise.length);
  for (let i = 0; i < promise.length / 2; i++) {
    const start = performance.now();
    engine.predictSync(inputs, { out });
    sync.push(performance.now() - start);
  }
  const spent = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < promise.length / 2; i++) await engine.predict(inputs, { out, borrow });
  const { user, system } = process.cpuUsage(spent);
  say({
    kind: 'latency',
    unit: 'ms',
    ...what,
    // With the option `out`, and with a new array for each result.
    promise: percentiles(promise),
    fresh: percentiles(fresh),
    mainThread: percentiles(call),
    sync: percentiles(sync),
    // Means of what the engine counts: the wait, the copy to the GPU, the run, the copy back.
    stages: {
      queue: mean('queueMicroseconds'),
      toGpu: mean('inputMicroseconds'),
      run: mean('inferMicroseconds'),
      fromGpu: mean('outputMicroseconds'),
    },
    processorShare: (user + system) / 1000 / (performance.now() - start),
  });
}

async function throughput(what, engine, makeInputs, inFlight) {
  const { borrow, out: reuse } = what.way;
  const arrays = Array.from({ length: inFlight }, () => ({
    inputs: makeInputs(),
    out: reuse ? arrayOf(what) : undefined,
  }));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let forecasts = 0;
  delay.enable();
  await meter.begin();
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const caller = async ({ inputs, out }) => {
    while (performance.now() < end) {
      await engine.predict(inputs, { borrow, out });
      forecasts += what.batch;
    }
  };
  const settled = await Promise.allSettled(arrays.map(caller));
  const took = (performance.now() - begun) / 1000;
  delay.disable();
  const gpu = await meter.end();
  for (const { status, reason } of settled) if (status === 'rejected') throw reason;
  const perSecond = forecasts / took;
  say({
    kind: 'throughput',
    ...what,
    inFlight,
    forecastsPerSecond: Math.round(perSecond),
    eventLoopDelayMs: { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
    ...gpu,
    ...(gpu.watts && { forecastsPerJoule: perSecond / gpu.watts }),
  });
}

/** An array for the forecasts of a batch. */
function arrayOf({ batch, way }) {
  const values = batch * width;
  return way.shared ? new Float32Array(new SharedArrayBuffer(4 * values)) : new Float32Array(values);
}

function inSharedMemory(inputs) {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => {
      const shared = new values.constructor(new SharedArrayBuffer(values.byteLength));
      shared.set(values);
      return [name, shared];
    }),
  );
}
