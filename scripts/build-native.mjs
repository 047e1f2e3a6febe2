// Builds the native addon: node scripts/build-native.mjs [FOLDER] [-DNAME=VALUE …] [--target=NAME] [--out=FOLDER]
//
// FOLDER receives tft_tensorrt.node, build/Release by default. CMake's own files are in `out`, build/cmake by
// default: cmake-js's own default, build/, is node-gyp's.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    define: { type: 'string', short: 'D', multiple: true, default: [] },
    target: { type: 'string', default: 'tft_binding' },
    out: { type: 'string', default: 'build/cmake' },
  },
});
const [folder = 'build/Release'] = positionals;

function run(command, ...options) {
  const common = [`--directory=${root}`, `--out=${resolve(root, values.out)}`, '--log-level=warn'];
  const { status, error } = spawnSync(process.execPath, [cmakeJs, command, ...common, ...options], {
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
