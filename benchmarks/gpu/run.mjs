// Tests and measures an installation on a GPU, unattended:
//
//   node benchmarks/gpu/run.mjs OUT [--work FOLDER] [--bundle FOLDER] [--tensorrt PATH] [--cuda PATH] [--lean PATH]
//        [--windows FOLDER] [--also FOLDER] [--structures FOLDER] [--python PYTHON] [--seconds S] [--only STEP,STEP …]
//        [--plans NAME,NAME …] [--peer-batches N,N …] [--peer-networks NAME,NAME] [--peer-precisions NAME,NAME]
//        [--max-autotune] [--thorough] [--built] [--doubles]
//
// --built takes the plans that are in the work folder, which must fit this machine and model, and builds none: TensorRT's
// library alone suffices then. The tests, which build, are left out.
// --thorough adds the INT8 plan and the lean runtime. --max-autotune adds that mode of torch.compile, which takes minutes for
// each batch size: the --peer- options narrow it down.
// Writes OUT/results.jsonl (a JSON object per line), OUT/log.txt, and OUT/report.md with its plots. If a step fails or takes
// too long, the others still run, and the exit code is 1. --doubles rehearses the run on a machine without a GPU, over the
// doubles of CUDA and TensorRT: every step runs, but the figures mean nothing.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    work: { type: 'string' },
    bundle: { type: 'string' },
    tensorrt: { type: 'string' },
    cuda: { type: 'string' },
    lean: { type: 'string' },
    nvml: { type: 'string' },
    windows: { type: 'string' },
    also: { type: 'string' },
    structures: { type: 'string' },
    python: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    plans: { type: 'string' },
    'peer-batches': { type: 'string' },
    'peer-networks': { type: 'string' },
    'peer-precisions': { type: 'string' },
    'max-autotune': { type: 'boolean', default: false },
    thorough: { type: 'boolean', default: false },
    built: { type: 'boolean', default: false },
    doubles: { type: 'boolean', default: false },
  },
});
if (positionals.length !== 1) throw new Error('usage: run.mjs OUT [options]; see its first lines');
const out = resolve(positionals[0]);
const { only, doubles: rehearsal, python, 'max-autotune': autotune, ...rest } = values;
const { 'peer-batches': batches, 'peer-networks': networks, 'peer-precisions': types, ...own } = rest;
const { thorough = false, built = false, ...given } = own;
if (rehearsal) {
  const doubles = process.env.TFT_DOUBLES ?? join(root, 'build/native/cpp/tests/doubles');
  given.cuda ??= join(doubles, 'cuda/libcuda.so.1');
  given.tensorrt ??= join(doubles, 'tensorrt10/lib/libnvinfer.so.10');
  given.lean ??= join(doubles, 'tensorrt10-lean/lib/libnvinfer_lean.so.10');
  given.nvml ??= join(doubles, 'cuda/libnvidia-ml.so.1');
  given.seconds ??= '0.05';
}
given.work = resolve(given.work ?? join(out, 'work'));
given.out = join(out, 'results.jsonl');
for (const name of ['bundle', 'tensorrt', 'cuda', 'lean', 'nvml', 'windows', 'also', 'structures'])
  if (given[name]) given[name] = resolve(given[name]);
mkdirSync(out, { recursive: true });
mkdirSync(given.work, { recursive: true });
// The description of the plans that are built there.
copyFileSync(join(given.bundle ?? join(root, 'models/demo'), 'model.json'), join(given.work, 'model.json'));
writeFileSync(given.out, '');
const log = createWriteStream(join(out, 'log.txt'));

const options = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
if (thorough || rehearsal) options.push('--thorough');
if (built) options.push('--built');
const step = (name, seconds) => ({
  name,
  seconds,
  command: [process.execPath, `benchmarks/gpu/steps/${name}.mjs`, ...options],
});
const steps = [
  step('machine', 60),
  step('build', 580),
  // These three measure no time, so they run in parallel.
  { ...step('numbers', 240), proof: true },
  {
    name: 'tests',
    seconds: 180,
    gpu: true,
    proof: true,
    asked: !built,
    command: [process.execPath, 'scripts/test-gpu.mjs'],
  },
  sanitizer('sanitizer', 180),
  { ...sanitizer('races', 300, '--tool', 'racecheck'), asked: thorough },
  step('speed', 420),
  step('bare', 240),
  step('layers', 60),
  step('cold-start', 60),
  step('lean', 60),
  step('explained', 120),
  { ...step('structures', 580), asked: given.structures !== undefined },
  { ...step('libtorch', 240), gpu: true, asked: process.env.TFT_LIBTORCH !== undefined },
  peers('peers', 240),
  peers('compile', 580, '--compile', 'default'),
  { ...peers('max-autotune', 590, '--compile', 'max-autotune'), asked: autotune },
].filter(({ name, gpu, asked = true }) =>
  only ? only.split(',').includes(name) : asked && !(gpu && rehearsal),
);

/** A short run under compute-sanitizer, whose default tool is memcheck. */
function sanitizer(name, seconds, ...tool) {
  const run = [process.execPath, 'benchmarks/gpu/steps/short-run.mjs', ...options];
  const command = ['compute-sanitizer', ...tool, '--error-exitcode', '9', ...run];
  return { name, seconds, gpu: true, proof: true, command };
}

function peers(name, seconds, ...more) {
  const command = [
    ...[python ?? 'python3', 'benchmarks/gpu/steps/peers.py'],
    ...['--out', given.out, '--bundle', given.bundle ?? 'models/demo'],
    ...(given.seconds ? ['--seconds', given.seconds] : []),
    ...Object.entries({ batches, networks, precisions: types }).flatMap(([option, value]) =>
      value ? [`--${option}`, value] : [],
    ),
    ...more,
  ];
  return { name, seconds, gpu: true, command };
}

function say(record) {
  const line = JSON.stringify(record);
  console.log(line);
  appendFileSync(given.out, `${line}\n`);
}

function run({ name, seconds, proof, command: [program, ...args] }) {
  console.log(`== ${name}`);
  // The output of steps that run in parallel is logged in one piece.
  const kept = [];
  const write = (text) => (proof ? kept.push(text) : log.write(text));
  write(`\n== ${name}: ${program} ${args.join(' ')}\n`);
  return new Promise((end) => {
    const done = (problem) => {
      for (const text of kept) log.write(text);
      end(problem);
    };
    const child = spawn(program, args, {
      cwd: root,
      env: {
        ...process.env,
        TFT_GPU_PLAN: join(given.work, 'fp32.engine'),
        PYTHONPATH: join(root, 'python/src'),
        ...(python && { TFT_PYTHON: python }),
        ...(given.tensorrt && { TENSORRT_ROOT: dirname(given.tensorrt) }),
      },
      detached: true,
    });
    let why = '';
    const timer = setTimeout(() => {
      why = `took more than ${seconds} s`;
      process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', write);
    child.on('error', (error) => {
      clearTimeout(timer);
      done(error.code === 'ENOENT' ? `${program} is not installed` : error.message);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done(why || (code === 0 ? '' : `ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

let failed = 0;

async function account(one) {
  const start = performance.now();
  const problem = await run(one);
  say({
    kind: 'step',
    name: one.name,
    seconds: (performance.now() - start) / 1000,
    problem: problem || undefined,
  });
  if (problem) failed++;
}

for (let next = 0; next < steps.length; ) {
  let end = next + 1;
  while (steps[next].proof && steps[end]?.proof) end++;
  await Promise.all(steps.slice(next, end).map(account));
  next = end;
}
if (existsSync(join(root, 'benchmarks/gpu/report.mjs'))) {
  const problem = await run({
    name: 'report',
    seconds: 60,
    command: [process.execPath, 'benchmarks/gpu/report.mjs', out],
  });
  if (problem) failed++;
}
log.end();
console.log(failed === 0 ? 'every step ran' : `${failed} steps had a problem; see ${join(out, 'log.txt')}`);
process.exitCode = failed === 0 ? 0 : 1;
