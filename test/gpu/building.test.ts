// Building on real TensorRT: from the bundle to a forecast, from the cache ever after, and the command line's tools.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { loadModel, readBundleFile, TFTEngine } from '../../src/index.js';

const demo = fileURLToPath(new URL('../../models/demo', import.meta.url));
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
    TFTEngine.load(demo, {
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
  const model = await loadModel(demo);
  if (!model.samples) throw new Error('the demo bundle has no samples');
  const { files, count, spread, tolerance, monthTurn = [] } = model.samples;
  const array = async (name: keyof typeof files) => {
    const content = await readBundleFile(model, files[name]);
    return content.buffer.slice(content.byteOffset, content.byteOffset + content.length) as ArrayBuffer;
  };
  const { data } = await cached.predict({
    encoderCont: new Float32Array(await array('encoder_cont')),
    encoderCat: new Int32Array(await array('encoder_cat')),
    decoderCont: new Float32Array(await array('decoder_cont')),
    decoderCat: new Int32Array(await array('decoder_cat')),
  });
  const expected = new Float32Array(await array('expected'));
  const width = expected.length / count;
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    if (!monthTurn.includes(Math.floor(i / width)))
      largest = Math.max(largest, Math.abs((data[i] as number) - (expected[i] as number)));
  }
  expect(largest).toBeLessThanOrEqual(tolerance * spread);
  await cached.close();
  expect(await tft('cache', 'verify')).toMatch(/1/);
});

test('tft inspect and tft trtexec tell of the plan', async () => {
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
