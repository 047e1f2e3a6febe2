// Builds the plans that the other steps run, a version-compatible one, and those of the further graphs (--also).
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
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

let timingCache;
for (const { name, path, ...how } of wanted) {
  if (how.excludeLeanRuntime && existsSync(planOf(name))) continue;
  await attempt({ step: 'build', name }, async () => {
    if (!path || !existsSync(path)) throw new Error(`there is no ONNX file for '${name}'`);
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
    say({ kind: 'build', name, ms, planBytes: plan.length, onnxBytes: statSync(path).size, fused, ...how });
    if (warnings.length > 0) console.log(warnings.slice(0, 5).join('\n'));
  });
}
