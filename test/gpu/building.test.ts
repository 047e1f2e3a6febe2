// Building on real TensorRT: from the bundle to a forecast, from the cache ever after, and the command line's tools.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { DEMO, demoSamples, largestDifference } from '../fixtures/demo-samples.js';

const cli = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
const cache = mkdtempSync(join(tmpdir(), 'tft-gpu-cache-'));
afterAll(() => rmSync(cache, { recursive: true }));

async function tft(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], {
    env: { ...process.env, TFT_CACHE: cache, NO_COLOR: '1' },
    maxBuffer: 1 << 26,
  });
  return stdout;
}

test('the bundle is built once, and its forecasts are PyTorch’s', async () => {
  const phases = new Set<string>();
  const load = () =>
    TFTEngine.load(DEMO, {
      backend: 'tensorrt',
      precision: 'fp32',
      cache,
      onProgress: ({ phase }) => phases.add(phase),
    });
  const built = await load();
  expect(built.info.engine).toBe('built');
  console.log([...phases].join(', '));
  expect(phases.size).toBeGreaterThan(1);
  await built.close();

  phases.clear();
  const cached = await load();
  expect(cached.info.engine).toBe('cache');
  expect(phases.size).toBe(0);
  const samples = await demoSamples();
  const { data } = await cached.predict(samples.inputs);
  expect(largestDifference(samples, data)).toBeLessThanOrEqual(samples.tolerance);
  await cached.close();
  expect(await tft('cache', 'verify')).toMatch(/1/);
});

test('tft inspect and tft trtexec describe the plan', async () => {
  const folder = join(cache, 'engines');
  const plan = readdirSync(folder).find((name) => /\.(engine|plan)$/.test(name)) as string;
  const inspected = await tft('inspect', join(folder, plan));
  console.log(inspected.split('\n').slice(0, 24).join('\n'));
  expect(inspected).toContain('encoder_cont');
  const measured = await tft(
    'trtexec',
    `--loadEngine=${join(folder, plan)}`,
    '--shapes=encoder_cont:8x288x14',
    '--useCudaGraph',
    '--duration=1',
    '--warmUp=100',
  );
  console.log(measured);
  expect(measured).toMatch(/Throughput: [\d.]+ qps/);
});

test('a command line written for trtexec builds from the ONNX file, saves the plan and measures it', async () => {
  const plan = join(cache, 'tft_model_fp16.engine');
  const measured = await tft(
    'trtexec',
    `--onnx=${join(DEMO, 'model.onnx')}`,
    `--saveEngine=${plan}`,
    '--fp16',
    '--minShapes=encoder_cont:1x288x14',
    '--optShapes=encoder_cont:8x288x14',
    '--maxShapes=encoder_cont:32x288x14',
    '--workspace=4096',
    '--duration=1',
  );
  console.log(measured);
  expect(measured).toMatch(/Throughput: [\d.]+ qps/);
  expect(existsSync(plan)).toBe(true);
});
