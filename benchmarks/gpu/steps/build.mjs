// Builds the plans that the other steps run: each precision, one with profiles for large batches, a version-compatible
// one, and whatever else was brought.
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { addon, attempt, libraries, model, options, planOf, say, tensors } from '../session.mjs';

const NARROW = [{ min: 1, opt: 8, max: 32 }];
/** No profile of exactly one: TensorRT 10.6 builds wrong plans with it. */
const WIDE = [
  { min: 1, opt: 1, max: 2 },
  { min: 3, opt: 32, max: 32 },
  { min: 33, opt: 128, max: 128 },
  { min: 129, opt: 512, max: 512 },
];
/** The large ones of them. */
const LARGE = WIDE.slice(2);
const onnx = (precision) =>
  precision === 'fp32' ? model.files.onnx.path : model.variants?.[precision]?.file.path;

const wanted = [
  ...['fp32', 'fp16', 'int8'].map((name) => ({ name, file: onnx(name), profiles: NARROW })),
  { name: 'wide-fp16', file: onnx('fp16'), profiles: WIDE },
  ...(options.thorough
    ? ['fp32', 'int8'].map((name) => ({ name: `large-${name}`, file: onnx(name), profiles: LARGE }))
    : []),
  { name: 'compatible-fp16', file: onnx('fp16'), profiles: NARROW, versionCompatible: true },
  // Where the lean runtime of the builder's version lacks, a compatible plan can be had without it.
  {
    name: 'compatible-fp16',
    file: onnx('fp16'),
    profiles: NARROW,
    versionCompatible: true,
    excludeLeanRuntime: true,
  },
].map(({ file, ...rest }) => ({ ...rest, path: file && join(options.bundle, file) }));
if (options.also && existsSync(options.also)) {
  for (const file of readdirSync(options.also).filter((name) => name.endsWith('.onnx'))) {
    const [name, path] = [basename(file, '.onnx'), join(options.also, file)];
    wanted.push({ name, path, profiles: NARROW });
    // What the LSTMs cost in large batches too.
    if (name === 'nolstm-fp16') wanted.push({ name: `wide-${name}`, path, profiles: WIDE });
  }
}

let timingCache;
for (const { name, path, ...how } of wanted) {
  if (how.excludeLeanRuntime && existsSync(planOf(name))) continue;
  await attempt({ step: 'build', name }, async () => {
    if (!path || !existsSync(path)) throw new Error(`there is no ONNX file for '${name}'`);
    const warnings = [];
    const start = performance.now();
    const { plan, timingCache: learnt } = await addon.build(
      { ...libraries, ...tensors, ...how, onnx: path, timingCache },
      (level, message) => {
        if (level === 'warn' || level === 'error') warnings.push(message);
      },
      () => {},
    ).result;
    const ms = performance.now() - start;
    timingCache = learnt;
    writeFileSync(planOf(name), plan);
    say({ kind: 'build', name, ms, planBytes: plan.length, onnxBytes: statSync(path).size, ...how });
    if (warnings.length > 0) console.log(warnings.slice(0, 5).join('\n'));
  });
}
