// NVIDIA's own parser and builder, on a machine without a GPU: TensorRT for RTX, from PyPI, builds what the exporter
// wrote, through the library's own builder. Whether a card runs it as PyTorch does only a card can tell.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { buildEngine } from '../../src/entries/build.js';
import { type Precision, TFTEngine } from '../../src/index.js';
import { findAddon } from '../../src/native/load-addon.js';

const run = promisify(execFile);
const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const demo = at('models/demo');
const cli = at('lib/cli/main.js');
/** A build takes seconds, on a busy machine minutes; fetching depends on the network. */
const LONG_MS = 300_000;
vi.setConfig({ testTimeout: LONG_MS });

const folder = mkdtempSync(join(tmpdir(), 'tft-rtx-'));
let library = '';
let whyNot: string | undefined;

beforeAll(async () => {
  try {
    findAddon();
    library = (await run(at('scripts/fetch-tensorrt'), ['rtx'], { timeout: LONG_MS })).stdout.trim();
  } catch (error) {
    whyNot = (error as Error).message.split('\n').slice(0, 2).join(' ');
    console.log(`skipped: TensorRT for RTX or the native addon is not available: ${whyNot}`);
  }
}, LONG_MS);
afterAll(() => rmSync(folder, { recursive: true }));

function engineOf(model: string, precision: Precision, targets: readonly string[]) {
  const name = `${model.split('/').at(-1)}-${precision}`;
  const output = join(folder, `${name}.engine`);
  return buildEngine(model, {
    precision,
    targets,
    output,
    cache: false,
    tensorrt: { tensorrtPath: library },
  });
}

describe("NVIDIA's builder takes", () => {
  test.for([
    ['the demo model', 'models/demo', 'fp32'],
    ['the demo model', 'models/demo', 'fp16'],
    ['the demo model', 'models/demo', 'int8'],
    ['a published structure', 'test/fixtures/stallion', 'fp32'],
    ['a published structure', 'test/fixtures/retail', 'fp32'],
    ['a model with a further input and output', 'test/fixtures/wide', 'fp32'],
    ['plain arithmetic', 'test/fixtures/tiny', 'fp32'],
    ['plain arithmetic', 'test/fixtures/slow', 'fp32'],
    ['plain arithmetic', 'test/fixtures/witness', 'fp32'],
  ] as const)('%s (%s) in %s', async ([, model, precision], { skip }) => {
    if (whyNot) skip(whyNot);
    const built = await engineOf(at(model), precision, ['rtx4090']);
    expect(built).toMatchObject({ rtx: true, precision, gpu: 'sm89', fused: [], check: undefined });
    expect(statSync(built.path).size).toBe(built.bytes);
    const { key, network, tensors } = JSON.parse(readFileSync(`${built.path}.json`, 'utf8'));
    expect(key).toMatchObject({ rtx: { targets: [89] }, computeCapability: '8.9', kernels: 'none' });
    const { inputs, outputs } = JSON.parse(readFileSync(join(at(model), 'model.json'), 'utf8'));
    type Listed = { name: string; type: string; shape: (string | number)[] };
    const expected = (list: Listed[], input: boolean) =>
      list.map(({ name, type, shape: [, ...item] }) => ({ name, input, type, shape: [-1, ...item] }));
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    expect(tensors.sort(byName)).toEqual(
      [...expected(inputs, true), ...expected(outputs, false)].sort(byName),
    );
    expect(network.float32).toBeGreaterThan(10);
    if (precision !== 'fp32') expect(network.float16).toBeGreaterThan(10);
    if (precision === 'int8') expect(network.int8).toBeGreaterThan(5);
  });
});

test("NVIDIA's builder takes the demo model's graph that explains, with all of its outputs", async ({
  skip,
}) => {
  if (whyNot) skip(whyNot);
  const built = await engineOf(at('models/demo/model.explained.onnx'), 'fp32', ['rtx4090']);
  const { tensors } = JSON.parse(readFileSync(`${built.path}.json`, 'utf8')) as {
    tensors: { name: string; input: boolean; shape: number[] }[];
  };
  const outputs = tensors.filter(({ input }) => !input).map(({ name, shape }) => [name, shape]);
  expect(Object.fromEntries(outputs)).toEqual({
    predictions: [-1, 96, 7],
    static_variables: [-1, 1, 4],
    encoder_variables: [-1, 1, 6],
    decoder_variables: [-1, 1, 9],
    attention: [-1, 3, 288],
  });
});

test('what a plan for other GPUs is, and that it does not run here, are said', async ({ skip }) => {
  if (whyNot) skip(whyNot);
  const plan = join(folder, 'several.engine');
  const environment = { ...process.env, TENSORRT_ROOT: library, TFT_CACHE: join(folder, 'cache') };
  const tft = (...args: string[]) => run(process.execPath, [cli, ...args], { env: environment });
  const build = ['build', at('test/fixtures/tiny'), '--target', 'RTX 3080,sm120', '-o', plan];
  expect((await tft(...build)).stdout).toMatch(/TensorRT for RTX 1\.\d+\.\d+.*, sm86, sm120\n/);
  // The cache has it, for these targets and no others.
  const again = JSON.parse((await tft(...build, '--json')).stdout);
  expect(again).toMatchObject({ engine: 'cache', rtx: true });
  const other = JSON.parse((await tft(...build.with(3, '8.9'), '--json')).stdout);
  expect(other).toMatchObject({ engine: 'built', gpu: 'sm89' });
  await tft(...build);

  const { stdout } = await tft('inspect', plan);
  expect(stdout).toMatch(/for +sm86, sm120 \(compute capability 8\.6, 12\.0\)/);
  expect(stdout).toMatch(/layers +parsed: .*\d+ float32/);
  expect(stdout).toMatch(/encoder_cat +input +int32 +batch x 6 x 2/);
  expect(stdout).toMatch(/not opened .*ERR_TFT_NO_CUDA_|not opened .*ERR_TFT_PLAN_INVALID/);
  await expect(TFTEngine.load(plan, { backend: 'tensorrt' })).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_TFT_(NO_CUDA_DRIVER|NO_CUDA_DEVICE|ENGINE_STALE)$/),
  });
});

test('without TensorRT for RTX, or for a GPU that it does not know, building says what to do', async ({
  skip,
}) => {
  if (whyNot) skip(whyNot);
  const build = (targets: string[], tensorrtPath: string) =>
    buildEngine(demo, {
      targets,
      output: join(folder, 'none.engine'),
      cache: false,
      tensorrt: { tensorrtPath },
    });
  await expect(build(['h200'], library)).rejects.toMatchObject({
    code: 'ERR_TFT_OPTION',
    message: expect.stringContaining("'h200' is not known; expected sm75, sm80"),
  });
  await expect(build(['sm89'], folder)).rejects.toMatchObject({
    code: 'ERR_TFT_TENSORRT_NOT_FOUND',
    message: expect.stringContaining('pip install tensorrt-rtx-cu13'),
  });
});
