// Builds the native addon: node scripts/build-native.mjs [FOLDER] [-DNAME=VALUE …] [--target=NAME] [--out=FOLDER]
//
// FOLDER receives tft_tensorrt.node, build/Release by default. CMake's own files are in `out`, build/cmake by
// default: cmake-js's own default, build/, is node-gyp's.
//
// It works in a clone and in the installed package: node node_modules/tft-tensorrt/scripts/build-native.mjs. CMake and a C++20
// compiler must be there; cmake-js is fetched by npx where it is not installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const CMAKE_JS = 'cmake-js@8.0.0';
const cmakeJs = findCmakeJs();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    define: { type: 'string', short: 'D', multiple: true, default: [] },
    target: { type: 'string', default: 'tft_binding' },
    out: { type: 'string', default: 'build/cmake' },
  },
});
const [folder = 'build/Release'] = positionals;

/** The program and its first arguments. */
function findCmakeJs() {
  try {
    return [process.execPath, createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')];
  } catch {
    return ['npx', '--yes', CMAKE_JS];
  }
}

/** The generator of an earlier configuration of the same folder, which CMake must be given again. */
function earlierGenerator() {
  const cache = join(resolve(root, values.out), 'CMakeCache.txt');
  if (!existsSync(cache)) return [];
  const [, generator] = /^CMAKE_GENERATOR:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8')) ?? [];
  return generator === undefined ? [] : [`--generator=${generator}`];
}

function run(command, ...options) {
  const common = [
    `--directory=${root}`,
    `--out=${resolve(root, values.out)}`,
    '--log-level=warn',
    ...earlierGenerator(),
  ];
  const [program, ...first] = cmakeJs;
  const { status, error } = spawnSync(program, [...first, command, ...common, ...options], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run(
  'configure',
  `--CDCMAKE_LIBRARY_OUTPUT_DIRECTORY=${resolve(root, folder)}`,
  ...values.define.map((definition) => `--CD${definition}`),
);
run('build', `--target=${values.target}`, `--parallel=${Math.min(availableParallelism(), 8)}`);
