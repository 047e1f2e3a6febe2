// Builds the plans that the other steps run, a version-compatible one, and those of the further graphs (--also). Beside each
// it writes what the plan fits, so that a later run with --built can take it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  addon,
  attempt,
  libraries,
  model,
  options,
  PROFILES,
  planOf,
  profilesOf,
  say,
  tensors,
  wantedPlans,
} from '../session.mjs';

const NARROW = [{ min: 1, opt: 8, max: 32 }];
const onnx = (precision) => {
  const file = precision === 'fp32' ? model.files.onnx.path : model.variants?.[precision]?.file.path;
  return file && join(options.bundle, file);
};

const wanted = wantedPlans.map(({ name, precision, kernels }) => ({
  name,
  path: onnx(precision),
  profiles: profilesOf(precision),
  kernels,
}));
if (options.thorough) {
  // For the lean runtime, which does not have our kernels.
  const compatible = { path: onnx('fp16'), profiles: NARROW, versionCompatible: true, kernels: false };
  wanted.push({ name: 'compatible-fp16', ...compatible });
  // If the lean runtime of the builder's version is missing, a compatible plan can be built without it.
  wanted.push({ name: 'compatible-fp16', ...compatible, excludeLeanRuntime: true });
}
if (options.also && existsSync(options.also)) {
  for (const file of readdirSync(options.also).filter((name) => name.endsWith('.onnx')))
    wanted.push({ name: basename(file, '.onnx'), path: join(options.also, file), profiles: PROFILES });
}

const machine = await addon.loadLibraries(libraries);

/** What a plan of this file depends on here. */
function fittingOf(path) {
  return {
    onnx: createHash('sha256').update(readFileSync(path)).digest('hex'),
    tensorrt: machine.tensorrtVersion,
    gpu: machine.devices[0]?.name ?? '',
    kernels: addon.kernels()?.hash ?? 'none',
  };
}

const notesOf = (name) => `${planOf(name)}-notes.json`;

/** A plan that an earlier run built: its record, if it fits. */
function takeBuilt(name, path) {
  if (!existsSync(planOf(name)) || !existsSync(notesOf(name)))
    throw new Error(
      `there is no plan '${name}' in ${options.work}; run without --built where TensorRT can build`,
    );
  const { fits, record } = JSON.parse(readFileSync(notesOf(name), 'utf8'));
  const here = fittingOf(path);
  const differences = Object.keys(here).filter((key) => here[key] !== fits[key]);
  if (differences.length > 0)
    throw new Error(
      `the plan '${name}' does not fit here: ${differences.map((key) => `${key} ${fits[key]}, here ${here[key]}`).join('; ')}`,
    );
  say({ ...record, earlier: true });
}

let timingCache;
for (const { name, path, ...how } of wanted) {
  if (how.excludeLeanRuntime && (options.built || existsSync(planOf(name)))) continue;
  await attempt({ step: 'build', name }, async () => {
    if (!path || !existsSync(path)) throw new Error(`there is no ONNX file for '${name}'`);
    if (options.built) return takeBuilt(name, path);
    const warnings = [];
    const start = performance.now();
    const {
      plan,
      timingCache: learnt,
      fused,
    } = await addon.build(
      { ...libraries, ...tensors, ...how, onnx: path, timingCache },
      (level, message) => {
        if (level === 'warn' || level === 'error') warnings.push(message);
      },
      () => {},
    ).result;
    const ms = performance.now() - start;
    timingCache = learnt;
    writeFileSync(planOf(name), plan);
    const record = {
      kind: 'build',
      name,
      ms,
      planBytes: plan.length,
      onnxBytes: statSync(path).size,
      fused,
      ...how,
    };
    writeFileSync(notesOf(name), JSON.stringify({ fits: fittingOf(path), record }));
    say(record);
    if (warnings.length > 0) console.log(warnings.slice(0, 5).join('\n'));
  });
}
