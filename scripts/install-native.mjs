// npm's install step: finds a prebuilt addon for this platform, else builds one (node-gyp-build). It never fails:
// without the addon the package runs models on the CPU, and one line says what to do for TensorRT.
//
// In a clone nothing is built: `npm ci` stays a matter of seconds, and `npm run build:native` and the tests build.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The first line of an output that says what was wrong. */
function reason(output) {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.find((line) => /\berror\b|cannot find/i.test(line)) ?? lines.findLast(Boolean) ?? '';
}

function install() {
  if (process.env.TFT_SKIP_NATIVE) return 'TFT_SKIP_NATIVE is set';
  const bin = createRequire(import.meta.url).resolve('node-gyp-build/bin.js');
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [bin], {
    cwd: root,
    encoding: 'utf8',
  });
  if (error) return error.message;
  return status === 0 ? undefined : reason(`${stdout}\n${stderr}`);
}

let problem;
const isClone = existsSync(new URL('../.git', import.meta.url));
if (isClone) {
  console.log(
    "tft-tensorrt: the native addon is built by 'npm run build:native'; models run on the CPU without it.",
  );
} else {
  try {
    problem = install();
  } catch (error) {
    problem = error.message.split('\n')[0];
  }
}
if (problem !== undefined) {
  console.log(
    `tft-tensorrt: no native addon (${problem}); models run on the CPU. For TensorRT see 'npx tft doctor'.`,
  );
}
