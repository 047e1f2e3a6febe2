// A bundle with several outputs on the backend 'tensorrt': its engine is built, checked on the sample windows, and gives all.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyInputs, TFTEngine } from '../../src/index.js';
import { MAJORS, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

test.skipIf(whatIsMissing()).each(MAJORS)('on TensorRT %i the demo model explains', async (major) => {
  const cache = mkdtempSync(join(tmpdir(), 'tft-explained-'));
  const said: string[] = [];
  const load = (explain: boolean) =>
    TFTEngine.load('demo', {
      backend: 'tensorrt',
      explain,
      cache,
      tensorrt: onDoubles(major),
      log: ({ message }) => said.push(message),
    });
  try {
    await using explained = await load(true);
    await using plain = await load(false);
    expect(said.filter((line) => line.startsWith('checked in'))).toHaveLength(2);
    expect(explained.info.origin).not.toBe(plain.info.origin);
    const forecast = await explained.predict(emptyInputs(explained.model, 3));
    expect(Object.values(forecast.outputs).map(({ shape }) => shape)).toEqual([
      [3, 1, 4],
      [3, 1, 6],
      [3, 1, 9],
      [3, 3, 288],
    ]);
    const [, second] = forecast;
    const { data } = forecast.outputs.attention as { data: Float32Array };
    expect(second?.explanation?.attention[1]?.weights).toEqual(data.subarray(4 * 288, 5 * 288));
  } finally {
    rmSync(cache, { recursive: true });
  }
});
