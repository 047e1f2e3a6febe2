// `tft build`, `tft inspect` and `tft trtexec` over the doubles, which the loader finds like the real libraries.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outcome, TFT, TINY, tft } from '../cli/tft.js';
import { onDoubles, whatIsMissing } from '../fixtures/doubles.js';

const DEMO = fileURLToPath(new URL('../../models/demo', import.meta.url));

describe.skipIf(whatIsMissing())('the commands for engines', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tft-engine-commands-'));
    env = environment(10);
    cpSync(TINY, join(folder, 'tiny'), { recursive: true });
    cpSync(join(DEMO, 'model.onnx'), join(folder, 'tft_model.onnx'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function environment(major: 10 | 11): NodeJS.ProcessEnv {
    const { cudaPath, tensorrtPath } = onDoubles(major);
    const libraries = [cudaPath, tensorrtPath].map((path) => dirname(path as string)).join(':');
    return { ...process.env, LD_LIBRARY_PATH: libraries, TFT_CACHE: join(folder, 'cache') };
  }
  const run = (...args: string[]): Promise<Outcome> => tft(args, { env });
  const trtexec = (...args: string[]) => run('trtexec', '--duration=0', '--warmUp=0', ...args);
  const shapes = (batch: number) => `encoder_cont:${batch}x6x3`;

  test('tft build writes a plan that tft inspect explains and predictions run on', async () => {
    const output = join(folder, 'tiny', 'model.engine');
    const built = await run('build', join(folder, 'tiny'), '-o', output, '--profile', '1:2:4', '--json');
    expect(built.status).toBe(0);
    expect(JSON.parse(built.stdout)).toMatchObject({
      path: output,
      engine: 'built',
      precision: 'fp32',
      profiles: [{ min: 1, opt: 2, max: 4 }],
    });
    expect(built.stderr).toContain('building an engine in fp32');

    const shown = await run('inspect', output);
    expect({ status: shown.status, stderr: shown.stderr }).toEqual({ status: 0, stderr: '' });
    expect(shown.stdout).toMatch(/batches +1 to 4, tuned for 2/);
    expect(shown.stdout).toMatch(/encoder_cat +input +int32 +batch x 6 x 2/);
    expect(shown.stdout).toMatch(/built from +model\.onnx of 'tiny'/);
    const json = JSON.parse((await run('inspect', output, '--json')).stdout);
    expect(json).toMatchObject({ profiles: [{ min: 1, opt: 2, max: 4 }], record: { model: 'tiny' } });
    expect(json.layers.length).toBeGreaterThan(0);

    const doctor = await run('doctor', '--model', join(folder, 'tiny'));
    expect(doctor.stdout).toMatch(/engine cache +.*cache\/engines, 1 engine, /);
    expect(doctor.stdout).toMatch(/✓ tensorrt .*a forecast takes/);
  });

  test('Ctrl-C ends tft build in order: nothing is left, and the status says so', async () => {
    const cache = join(folder, 'interrupted');
    const child = spawn(process.execPath, [TFT, 'build', TINY, '--cache', cache], {
      env: { ...env, TFT_DOUBLE_BUILD_MS: '60000' },
    });
    let stderr = '';
    child.stderr.on('data', (text) => {
      if (!stderr.includes('building')) setTimeout(() => child.kill('SIGINT'), 50);
      stderr += text;
    });
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(stderr).toContain('the build was cancelled (ERR_TFT_ABORTED)');
    expect(readdirSync(join(cache, 'engines'))).toEqual([]);
  });

  test("tft trtexec accepts trtexec's command line unchanged", async () => {
    const command =
      'trtexec --onnx=tft_model.onnx --saveEngine=tft_model_fp16.engine --fp16 ' +
      '--minShapes=encoder_cont:1x288x14 --optShapes=encoder_cont:8x288x14 ' +
      '--maxShapes=encoder_cont:32x288x14 --workspace=4096';
    const { status, stdout, stderr } = await tft([...command.split(' '), '--duration=0', '--warmUp=0'], {
      cwd: folder,
      env,
    });
    expect(status).toBe(0);
    expect(stderr).toContain('unverified accuracy');
    expect(stdout).toMatch(/Engine built in .* s: fp16, .*tft_model_fp16\.engine/);
    expect(stdout).toContain('=== Performance summary ===');
    expect(stdout).toMatch(/Throughput: [\d.]+ qps/);
    const figures = String.raw`min = [\d.]+ ms, max = [\d.]+ ms, mean = [\d.]+ ms, median = [\d.]+ ms, percentile\(90%\) = [\d.]+ ms, percentile\(95%\) = [\d.]+ ms, percentile\(99%\) = [\d.]+ ms`;
    for (const title of ['Latency', 'Enqueue Time', 'H2D Latency', 'GPU Compute Time', 'D2H Latency']) {
      expect(stdout).toMatch(new RegExp(`^${title}: ${figures}$`, 'm'));
    }
    expect(stdout).toMatch(/queries of 8\)/);
    const record = JSON.parse(readFileSync(join(folder, 'tft_model_fp16.engine.json'), 'utf8'));
    expect(record.key).toMatchObject({
      precision: 'fp16',
      stronglyTyped: false,
      profiles: [{ min: 1, opt: 8, max: 32 }],
      workspaceBytes: 4096 * 2 ** 20,
    });
  });

  test('tft trtexec measures a plan and writes its times, layers and timing cache', async () => {
    const path = (name: string) => join(folder, name);
    const saved = await trtexec(
      ...['--onnx', path('tiny/model.onnx'), '--saveEngine', path('saved.engine')],
      `--timingCacheFile=${path('timings')}`,
    );
    expect(saved.status).toBe(0);
    expect(existsSync(path('timings'))).toBe(true);
    const { status, stdout } = await trtexec(
      `--loadEngine=${path('saved.engine')}`,
      `--shapes=${shapes(5)}`,
      '--iterations=12',
      '--infStreams=2',
      '--useCudaGraph',
      `--exportTimes=${path('times.json')}`,
      `--exportProfile=${path('profile.json')}`,
      '--dumpProfile',
      '--dumpLayerInfo',
    );
    expect(status).toBe(0);
    expect(stdout).toContain('queries of 5)');
    expect(stdout).toContain('=== Layers ===');
    expect(stdout).toMatch(/=== Profile \(\d+ iterations\) ===/);
    const times = JSON.parse(readFileSync(path('times.json'), 'utf8'));
    expect(times.length).toBeGreaterThanOrEqual(12);
    expect(Object.keys(times[0])).toEqual(
      expect.arrayContaining(['startEnqMs', 'endEnqMs', 'h2dMs', 'computeMs', 'd2hMs', 'latencyMs']),
    );
    const [head, ...layers] = JSON.parse(readFileSync(path('profile.json'), 'utf8'));
    expect(head.count).toBeGreaterThan(0);
    expect(layers.length).toBeGreaterThan(0);
  });

  test.each<[string, string[], RegExp]>([
    [
      'batches that contradict each other',
      ['--optShapes=encoder_cont:8x6x3,decoder_cont:4x4x2'],
      /--optShapes: encoder_cont has a batch of 8 and decoder_cont of 4/,
    ],
    ['another input', ['--shapes=encoder:8x6x3'], /has no input 'encoder'; it has encoder_cont/],
    ['another length', ['--shapes=encoder_cont:8x7x3'], /is 8x7x3, and the model's is \[batch\]x6x3/],
    ['no shape', ['--minShapes=8'], /'8' is no shape; write it like encoder_cont:8x6x3/],
    [
      'falling shapes',
      [`--minShapes=${shapes(9)}`, `--optShapes=${shapes(2)}`],
      /9, 2 and 2; they must not fall/,
    ],
    [
      'a batch outside of the plan',
      [`--maxShapes=${shapes(4)}`, `--shapes=${shapes(9)}`],
      /--shapes: a batch of 9 is outside of the plan's: 4 to 4/,
    ],
    ['an option misspelt', ['--useCudaGraf'], /unknown option '--useCudaGraf'\n.*--useCudaGraph/],
    ['an option that does not exist', ['--sparsity=enable'], /unknown option '--sparsity=enable'/],
    [
      'a variant that does not exist',
      ['--stronglyTyped', '--int8'],
      /--stronglyTyped: there is no int8 variant/,
    ],
    [
      'building and loading at once',
      ['--loadEngine=x.engine'],
      /'--loadEngine <file>' cannot be used with option '--onnx/,
    ],
  ])('tft trtexec refuses %s', async (_, args, message) => {
    const { status, stderr } = await trtexec(`--onnx=${join(folder, 'tiny', 'model.onnx')}`, ...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  test('tft trtexec --fp16 on TensorRT 11 says how to get a variant', async () => {
    const { status, stderr } = await tft(['trtexec', `--onnx=${join(folder, 'tiny/model.onnx')}`, '--fp16'], {
      env: environment(11),
    });
    expect(stderr).toContain('tft-export variants');
    expect(status).toBe(1);
  });
});
