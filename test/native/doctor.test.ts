// `tft doctor` over the doubles, which the loader finds on its path like the real libraries.
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { bundleWithPlan, onDoubles, whatIsMissing } from '../fixtures/doubles.js';
import { libTorchDouble } from '../fixtures/torchscript.js';

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

async function doctor(env: NodeJS.ProcessEnv, ...options: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'doctor', ...options], {
    env: { ...process.env, ...env },
  });
  return stdout;
}

describe.skipIf(whatIsMissing())('tft doctor', () => {
  const { cudaPath, tensorrtPath } = onDoubles(11);
  const libraries = [dirname(cudaPath as string), dirname(tensorrtPath as string)].join(':');

  test('shows the driver, the GPUs and TensorRT, and forecasts with them', async () => {
    const bundle = bundleWithPlan();
    const text = await doctor({ LD_LIBRARY_PATH: libraries }, '--model', bundle.folder);
    expect(text).toMatch(/✓ native addon +\/.*\.node/);
    expect(text).toMatch(/✓ CUDA driver .*libcuda\.so\.1, CUDA 13\.0/);
    expect(text).toMatch(/✓ GPU 1 +Double 1, compute capability 9\.0/);
    expect(text).toMatch(/✓ TensorRT +11\..*libnvinfer\.so\.11/);
    expect(text).toMatch(/Libraries tried for TensorRT\n/);
    expect(text).toMatch(/✓ libnvinfer\.so\.11 +taken \(loader's path\)/);
    expect(text).toMatch(/✓ tensorrt +tensorrt 11\..*2 lanes\).*a forecast takes/);
    bundle.remove();
  });

  test('shows the library that runs LibTorch, and what builds one where there is none', async () => {
    const text = await doctor({ TFT_LIBTORCH: libTorchDouble });
    expect(text).toMatch(/✓ LibTorch +0\.0\.0-double, .*libtft_libtorch\.so/);
    expect(text).toMatch(/✗ libtorch .*tft-export export --torchscript/);
    expect(await doctor({ TFT_LIBTORCH: '/nowhere.so' })).toMatch(
      /✗ LibTorch .*npm run build:libtorch.*nowhere/,
    );
  });

  test('searches TENSORRT_ROOT, and says what is missing in each file', async () => {
    const root = dirname(dirname(onDoubles(10).tensorrtPath as string));
    const found = JSON.parse(
      await doctor({ LD_LIBRARY_PATH: dirname(cudaPath as string), TENSORRT_ROOT: root }, '--json'),
    ) as {
      libraries: { name: string; ok: boolean; found: string }[];
      machine: { name: string; found: string }[];
    };
    const taken = found.libraries.filter(({ ok }) => ok).map(({ found }) => found);
    expect(taken).toContain('taken (TENSORRT_ROOT)');
    expect(found.machine.find(({ name }) => name === 'TensorRT')?.found).toMatch(/^10\./);
    for (const { ok, found: text } of found.libraries) if (!ok) expect(text).toMatch(/\w.* \(.+\)$/);
  });

  test('without driver and TensorRT it says what the problem is', async () => {
    const text = await doctor({ LD_LIBRARY_PATH: '', TENSORRT_ROOT: '/nowhere' });
    expect(text).toMatch(/problem .*ERR_TFT_NO_CUDA_DRIVER|✓ CUDA driver/);
    expect(text).toContain('Forecasts can be made here.');
  });
});
