// NVIDIA's TensorRT, if installed (scripts/fetch-tensorrt), on a machine without a GPU: an error with a code, never a
// crash. test/gpu tests more on a GPU.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { findAddon, loadAddon } from '../../src/native/load-addon.js';

const library =
  process.env.TFT_TEST_REAL_TENSORRT ??
  join(homedir(), '.cache/tft-tensorrt/tensorrt-10.15/libnvinfer.so.10');
const demo = fileURLToPath(new URL('../../models/demo', import.meta.url));
const cli = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

function whyNot(): string | undefined {
  if (!existsSync(library)) return `${library} is missing; scripts/fetch-tensorrt fetches it`;
  try {
    findAddon();
  } catch {
    return 'the native addon is not built (npm run build:native)';
  }
  return undefined;
}
const missing = whyNot();
let withoutGpu = false;

beforeAll(async () => {
  if (missing) return console.log(`skipped: ${missing}`);
  const { problem } = await loadAddon().loadLibraries({});
  withoutGpu = problem?.code.startsWith('ERR_TFT_NO_CUDA') ?? false;
});

test.skipIf(missing)('whatever the plan, the error is about the missing GPU', async ({ skip }) => {
  if (!withoutGpu) skip('there is a GPU here');
  const folder = mkdtempSync(join(tmpdir(), 'tft-real-'));
  writeFileSync(join(folder, 'model.json'), readFileSync(join(demo, 'model.json')));
  const file = join(folder, 'model.engine');
  const contents = [
    Buffer.alloc(0),
    Buffer.from('no plan'),
    readFileSync(join(demo, 'model.onnx')),
    Buffer.alloc(1 << 20, 'ftrt'),
  ];
  for (const content of contents) {
    writeFileSync(file, content);
    await expect(
      TFTEngine.load(file, { backend: 'tensorrt', tensorrt: { tensorrtPath: library } }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_TFT_NO_CUDA_(DRIVER|DEVICE)$/) });
  }
  rmSync(folder, { recursive: true });
});

test.skipIf(missing)('tft doctor reports its version without calling more of it', async ({ skip }) => {
  if (!withoutGpu) skip('there is a GPU here');
  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'doctor'], {
    env: { ...process.env, TENSORRT_ROOT: dirname(library) },
  });
  expect(stdout).toMatch(/TensorRT +1\d\.\d+\.\d+.*libnvinfer/);
  expect(stdout).toMatch(/problem .*ERR_TFT_NO_CUDA_/);
});
