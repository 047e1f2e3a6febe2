// The tests that need a real TensorRT and a GPU: node scripts/test-gpu.mjs [VITEST-OPTIONS]. Where there is none it
// says so and exits with 0.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

function skip(why) {
  console.log(`test:gpu: skipped, ${why}`);
  process.exit(0);
}

let addon;
try {
  addon = require('node-gyp-build')(root);
} catch {
  skip('the native addon is not built (npm run build:native)');
}
const { problem } = await addon.loadLibraries({});
if (problem) skip(`${problem.message} (${problem.code})`);

const { status } = spawnSync(
  process.execPath,
  [
    join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs'),
    'run',
    '--config',
    'test/gpu/vitest.config.ts',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
