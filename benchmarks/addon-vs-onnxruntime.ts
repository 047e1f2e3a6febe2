// Measures the overhead from JavaScript to the GPU and back, compared with onnxruntime-node running a model that does
// nothing, and with a bare ThreadSafeFunction echo.
//
// Our side runs on the doubles of CUDA and TensorRT, whose model does nothing either. They do their work immediately on
// the calling thread, whereas a GPU would take time but no processor.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-common';
import { type ForecastInputs, TFTEngine } from '../src/index.js';
import { type Comparison, less, more, options, percentile, report, Samples, seconds } from './harness.js';

const BATCHES = [1, 8, 32];
const CALLERS = 64;
const IN_FLIGHT = 1000;

process.env.TFT_DOUBLE_INLINE = '1';
const root = process.cwd();
const doubles = process.env.TFT_DOUBLES ?? join(root, 'build/native/cpp/tests/doubles');
const echoFile = join(root, 'build/echo/tft_echo.node');
if (!existsSync(join(doubles, 'cuda/libcuda.so.1')) || !existsSync(echoFile)) {
  console.log(
    'skipped: build the doubles (npm run test:native) and the echo (npm run build:native -- -DTFT_BUILD_ECHO=ON --target=tft_echo) first',
  );
  process.exit(0);
}
const require = createRequire(import.meta.url);
const ort = require('onnxruntime-node') as typeof import('onnxruntime-common');
const echo = require(echoFile) as { listen(callback: () => void): void; ask(): void; end(): void };

const { model, samples } = await Samples.load(options.bundle);
const folder = mkdtempSync(join(tmpdir(), 'tft-benchmark-'));
writeFileSync(join(folder, 'model.json'), readFileSync(join(options.bundle, 'model.json')));
writeFileSync(join(folder, 'model.engine'), noopPlan(32));
const engine = await TFTEngine.load(join(folder, 'model.engine'), {
  tensorrt: {
    cudaPath: join(doubles, 'cuda/libcuda.so.1'),
    tensorrtPath: join(doubles, 'tensorrt10/lib/libnvinfer.so.10'),
  },
});
await engine.warmup();
const session = await ort.InferenceSession.create(join(root, 'benchmarks/noop/model.onnx'), {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});

function noopPlan(maxBatch: number): string {
  const lines = ['tft-double-plan 1', 'version *', 'seed 7', 'noop', 'weights 1048576', 'activation 4096'];
  for (const { name, type, shape } of model.inputs)
    lines.push(`input ${name} ${type} -1,${shape[1]},${shape[2]}`);
  for (const { name, type, shape } of model.outputs)
    lines.push(`output ${name} ${type} -1,${shape[1]},${shape[2]}`);
  lines.push('profile');
  for (const { name, shape } of model.inputs) {
    const range = [1, maxBatch, maxBatch].map((batch) => `${batch},${shape[1]},${shape[2]}`);
    lines.push(`range ${name} ${range.join(' ')}`);
  }
  const text = `${lines.join('\n')}\n`;
  let hash = 2_166_136_261;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 16_777_619) >>> 0;
  return `${text}checksum ${hash.toString(16).padStart(8, '0')}\n`;
}

function feeds({ encoderCont, encoderCat, decoderCont, decoderCat }: ForecastInputs, batch: number) {
  const { encoderLength, horizon, metrics, categories, known } = model;
  return {
    encoder_cont: new ort.Tensor('float32', encoderCont, [batch, encoderLength, metrics.length]),
    encoder_cat: new ort.Tensor('int32', encoderCat, [batch, encoderLength, categories.length]),
    decoder_cont: new ort.Tensor('float32', decoderCont, [batch, horizon, known.length]),
    decoder_cat: new ort.Tensor('int32', decoderCat, [batch, horizon, categories.length]),
  } satisfies InferenceSession.FeedsType;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Runs the sides in short turns, each after a pause; each side pushes the microseconds of one call. */
async function turns<Name extends string>(
  sides: Record<Name, (times: number[]) => unknown>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (const name of names) for (let i = 0; i < 200; i++) await sides[name]([]);
  const end = performance.now() + seconds * 1000;
  for (let turn = 0; performance.now() < end; turn++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + turn) % names.length] as Name;
      const until = performance.now() + 50;
      do await sides[name](times[name]);
      while (performance.now() < until);
      await nextTurn();
    }
  }
  return times;
}

/** Times a whole call, including its result. */
const whole = (call: () => unknown) => async (times: number[]) => {
  const start = performance.now();
  await call();
  times.push((performance.now() - start) * 1000);
};
/** Times the part of a call before the caller's thread continues. */
const begin = (call: () => Promise<unknown>) => async (times: number[]) => {
  const start = performance.now();
  const answer = call();
  times.push((performance.now() - start) * 1000);
  await answer;
};

const comparisons: Comparison[] = [];
const median = (times: readonly number[]) => percentile(times, 0.5);

for (const batch of BATCHES) {
  const inputs = samples.batch(batch);
  const { call, sync, peer } = await turns({
    call: begin(() => engine.predict(inputs)),
    sync: whole(() => engine.predictSync(inputs)),
    // The peer runs on the calling thread, so the whole call is main-thread time.
    peer: whole(() => session.run(feeds(inputs, batch))),
  });
  for (const part of [0.5, 0.99]) {
    const name = `B=${batch} p${part * 100}`;
    comparisons.push(
      less(`main-thread time of a call, ${name}`, 'us', percentile(call, part), percentile(peer, part)),
    );
    comparisons.push(less(`predictSync, ${name}`, 'us', percentile(sync, part), percentile(peer, part)));
  }
}

let answered = () => {};
echo.listen(() => answered());
const ask = () =>
  new Promise<void>((resolve) => {
    answered = resolve;
    echo.ask();
  });
const one = samples.batch(1);
const { round, blocking, bare } = await turns({
  round: whole(() => engine.predict(one)),
  blocking: whole(() => engine.predictSync(one)),
  bare: whole(ask),
});
echo.end();
comparisons.push(less('round trip against a bare echo, B=1', 'us', median(round), median(bare)));
// The doubles copy data and the echo does not; predictSync copies the same on the calling thread.
comparisons.push(
  less(
    'what awaiting adds to predictSync against a bare echo, B=1',
    'us',
    median(round) - median(blocking),
    median(bare),
  ),
);

/** Calls per second of `count` callers, and the main thread's microseconds per call. */
async function callers(count: number, call: () => Promise<unknown>, duration: number) {
  const end = performance.now() + duration;
  const before = performance.eventLoopUtilization();
  let calls = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < end) {
        await call();
        calls++;
        // The peer resolves without the event loop, so other callers would get no turn.
        if (calls % count === 0) await nextTurn();
      }
    }),
  );
  const { active } = performance.eventLoopUtilization(before);
  return { perSecond: (calls / (performance.now() - start)) * 1000, busy: (active * 1000) / calls };
}
const rates = { ours: [] as number[], busy: [] as number[], peer: [] as number[] };
for (let turn = 0; turn < 2 * seconds; turn++) {
  const ours = await callers(CALLERS, () => engine.predict(one), 250);
  rates.ours.push(ours.perSecond);
  rates.busy.push(ours.busy);
  rates.peer.push((await callers(CALLERS, () => session.run(feeds(one, 1)), 250)).perSecond);
}
comparisons.push(
  more(`calls per second, ${CALLERS} in flight`, '/s', median(rates.ours), median(rates.peer)),
);
console.log(`main thread busy for ${median(rates.busy).toFixed(1)} us a call, delivery included`);

/** The duration of each turn of the event loop while `count` requests are in flight, in microseconds. */
async function turnsOfTheLoop(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let ended = false;
  const caller = async () => {
    while (!ended) await call();
  };
  const all: Promise<void>[] = [];
  // Callers start a few at a time, as in practice.
  while (all.length < count) {
    for (let i = 0; i < 10; i++) all.push(caller());
    await nextTurn();
  }
  const end = performance.now() + seconds * 1000;
  for (let last = performance.now(); last < end; ) {
    await nextTurn();
    const now = performance.now();
    times.push((now - last) * 1000);
    last = now;
  }
  ended = true;
  await Promise.all(all);
  return times;
}
const loop = await turnsOfTheLoop(IN_FLIGHT, () => engine.predict(one));
console.log(
  `event loop with ${IN_FLIGHT} in flight: a turn takes p50 ${median(loop).toFixed(0)} us, ` +
    `p99.9 ${percentile(loop, 0.999).toFixed(0)} us, at most ${Math.max(...loop).toFixed(0)} us`,
);
/** The duration of turns that only count, for as long as ours usually do: the machine's share of the delays. */
async function turnsOfNothing(microseconds: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let last = performance.now(); last < end; ) {
    while ((performance.now() - last) * 1000 < microseconds);
    await nextTurn();
    const now = performance.now();
    times.push((now - last) * 1000);
    last = now;
  }
  return times;
}
const nothing = await turnsOfNothing(median(loop));
console.log(`the same turns without any request: p99.9 ${percentile(nothing, 0.999).toFixed(0)} us`);
comparisons.push(
  less(
    `event-loop delay p99.9 against the goal of 1 ms, ${IN_FLIGHT} in flight`,
    'us',
    percentile(loop, 0.999),
    1000,
  ),
);

await engine.close();
rmSync(folder, { recursive: true });
report('addon-vs-onnxruntime', 'What is the overhead to the GPU and back?', comparisons);
