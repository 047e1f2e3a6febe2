// `tft trtexec` on the CPU: what is measured there, and what is refused by name because it has no meaning.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { statisticsOf } from '../../src/cli/trtexec/statistics.js';
import { TINY, tft } from './tft.js';

const ONNX = join(TINY, 'model.onnx');
const quick = ['--duration=0', '--warmUp=0'];

describe('tft trtexec --backend=cpu', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tft-trtexec-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('prints throughput and latency, and writes each run', async () => {
    const times = join(folder, 'times.json');
    const { status, stdout, stderr } = await tft([
      ...['trtexec', '--onnx', ONNX, '--backend', 'cpu', '--shapes=encoder_cont:3x6x3', '--iterations=7'],
      ...['--streams=2', `--exportTimes=${times}`, ...quick],
    ]);
    expect(stderr).toMatch(/^onnxruntime /);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Throughput: [\d.]+ qps$/m);
    expect(stdout).toMatch(/^Latency: min = /m);
    expect(stdout).not.toContain('GPU Compute');
    expect(stdout).toMatch(/queries of 3\)/);
    const entries = JSON.parse(readFileSync(times, 'utf8'));
    expect(entries.length).toBeGreaterThanOrEqual(7);
    for (const { startEnqMs, endD2hMs, latencyMs } of entries) {
      expect(latencyMs).toBeCloseTo(endD2hMs - startEnqMs, 6);
    }
  });

  test('refuses what only TensorRT has, by name', async () => {
    const args = ['--useCudaGraph', '--saveEngine=x.engine', '--fp16'];
    const { status, stderr } = await tft(['trtexec', `--onnx=${ONNX}`, '--backend=cpu', ...args]);
    expect(stderr).toContain(
      '--saveEngine, --fp16, --useCudaGraph: has no meaning on a CPU (ERR_TFT_UNSUPPORTED)',
    );
    expect(status).toBe(1);
  });

  test('needs something to measure', async () => {
    const { status, stderr } = await tft(['trtexec', '--fp16']);
    expect(stderr).toContain('either --onnx or --loadEngine');
    expect(status).toBe(1);
  });
});

describe('the statistics of times', () => {
  test('are of the times that were measured, whatever their order', () => {
    const times = Array.from({ length: 200 }, (_, index) => ((index * 73) % 200) + 1);
    expect(statisticsOf(times)).toEqual({
      min: 1,
      max: 200,
      mean: 100.5,
      median: 100.5,
      p90: 180,
      p95: 190,
      p99: 198,
    });
  });

  test('of a single time are that time', () => {
    expect(new Set(Object.values(statisticsOf([4])))).toEqual(new Set([4]));
  });
});
