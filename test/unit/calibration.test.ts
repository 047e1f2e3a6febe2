// Samples for calibration: every window has the same chance, memory is bounded, and the files are as documented.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CalibrationReservoir } from '../../src/calibration/reservoir.js';
import { writeCalibrationSet } from '../../src/calibration/set.js';
import { loadModel, type ModelDescription } from '../../src/contract/model.js';
import { readHistory } from '../../src/history/index.js';
import { HEADER, lines, TINY, tft } from '../cli/tft.js';
import { bundles, constantInputs } from '../fixtures/bundles.js';

let folder: string;
let model: ModelDescription;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tft-calibration-'));
  model = await loadModel(bundles.tiny);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The windows 0 … count - 1 that are in the sample, identified by their values. */
function sampled(count: number, options: { windows: number; seed: number }): number[] {
  const reservoir = new CalibrationReservoir(model, options);
  for (let index = 0; index < count; index++) reservoir.offer(constantInputs(1, index));
  const { encoderCont } = reservoir.packed();
  const size = encoderCont.length / reservoir.windows;
  return Array.from({ length: reservoir.windows }, (_, window) => encoderCont[window * size] as number);
}

describe('a calibration reservoir', () => {
  test('keeps everything while there is room, in the order of arrival', () => {
    expect(sampled(5, { windows: 8, seed: 1 })).toEqual([0, 1, 2, 3, 4]);
  });

  test('keeps at most its size of any number of windows, and counts them all', () => {
    const reservoir = new CalibrationReservoir(model, { windows: 4, seed: 3 });
    for (let round = 0; round < 50; round++) reservoir.offer(constantInputs(7, round));
    expect(reservoir.windows).toBe(4);
    expect(reservoir.seen).toBe(350);
    expect(reservoir.packed().decoderCat).toHaveLength(4 * 8);
  });

  test('is the same for the same seed, and differs for another', () => {
    expect(sampled(200, { windows: 10, seed: 5 })).toEqual(sampled(200, { windows: 10, seed: 5 }));
    expect(sampled(200, { windows: 10, seed: 5 })).not.toEqual(sampled(200, { windows: 10, seed: 6 }));
  });

  test('gives early and late windows the same chance', () => {
    const times = new Float64Array(40);
    const rounds = 1000;
    for (let seed = 0; seed < rounds; seed++) {
      for (const index of sampled(40, { windows: 4, seed })) times[index] = (times[index] as number) + 1;
    }
    // Each is expected in a tenth of the samples, 100 of 1000, with a standard deviation of 9.5. Five times that never occurs.
    for (const count of times) expect(Math.abs(count - rounds / 10)).toBeLessThan(48);
  });

  test('copies what it keeps', () => {
    const reservoir = new CalibrationReservoir(model);
    const inputs = constantInputs(1, 3);
    reservoir.offer(inputs);
    inputs.encoderCont.fill(9);
    expect(reservoir.packed().encoderCont[0]).toBe(3);
  });

  test.each([{ windows: 0 }, { windows: 1e9 }, { seed: -1 }, { seed: 0.5 }])('refuses %j', (options) => {
    expect(() => new CalibrationReservoir(model, options)).toThrow(/must be/);
  });
});

describe('a calibration set', () => {
  const history = () => join(folder, 'history.csv');
  /** Windows sampled from the rows, written to a folder of this name. */
  async function written(rows: string, name: string): Promise<string> {
    writeFileSync(history(), HEADER + rows);
    const reservoir = new CalibrationReservoir(model);
    await readHistory(history(), model, { onWindow: (make) => reservoir.offerLazily(make) });
    await writeCalibrationSet(join(folder, name), reservoir, model);
    return join(folder, name);
  }
  const series = (output: string, window: number) => {
    const content = readFileSync(join(output, 'encoder_cont.bin'));
    return Array.from({ length: 6 }, (_, step) => content.readFloatLE((window * 18 + step * 3) * 4));
  };

  test('of `tft calibration collect` has every complete window once, and neither names nor times', async () => {
    // 6 steps of past are needed: 'one' has 3 windows, 'two' one, 'few' none.
    writeFileSync(history(), HEADER + lines('one', 0, 7) + lines('two', 3, 8) + lines('few', 0, 2));
    const output = join(folder, 'set');
    const command = ['calibration', 'collect', '--model', TINY, '--history', history(), '--seed', '7'];
    const { status, stdout, stderr } = await tft([...command, '-o', output]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('4 of 4 windows');
    const text = readFileSync(join(output, 'calibration.json'), 'utf8');
    const set = JSON.parse(text);
    expect(set).toMatchObject({ schemaVersion: 1, model: 'tiny', windows: 4, seen: 4, seed: 7 });
    expect(set.inputs).toEqual(model.inputs);
    expect(text).not.toMatch(/one|two/);
    for (const file of Object.values(set.files) as { path: string; bytes: number; sha256: string }[]) {
      const content = readFileSync(join(output, file.path));
      expect(content).toHaveLength(file.bytes);
      expect(createHash('sha256').update(content).digest('hex')).toBe(file.sha256);
    }
    // cpu_user_pct of each row is its step's number: windows end at 5, 6, 7 of 'one' and 8 of 'two'.
    expect([0, 1, 2, 3].map((window) => series(output, window)[5]).sort()).toEqual([5, 6, 7, 8]);
    expect(readdirSync(output).sort()).toEqual([
      'calibration.json',
      'decoder_cat.bin',
      'decoder_cont.bin',
      'encoder_cat.bin',
      'encoder_cont.bin',
    ]);
  });

  test('has the mean of several rows in a step, and gaps filled as for forecasts', async () => {
    const later = lines('one', 5, 5).replace(',5,', ',50,').replace(':15Z', ':16Z');
    const output = await written(lines('one', 0, 5) + later + lines('one', 8, 8), 'gaps');
    expect(series(output, 0)).toEqual([0, 1, 2, 3, 4, 27.5]);
    expect(series(output, 1)).toEqual([3, 4, 27.5, 27.5, 27.5, 8]);
  });

  test('does not overwrite other files, and is not written without windows', async () => {
    await expect(written(lines('one', 0, 7), '.')).rejects.toMatchObject({ code: 'ERR_TFT_FILE' });
    await expect(written(lines('one', 0, 2), 'empty')).rejects.toMatchObject({
      code: 'ERR_TFT_HISTORY_EMPTY',
    });
    expect(existsSync(join(folder, 'empty'))).toBe(false);
  });

  test('replaces an existing calibration set', async () => {
    const output = await written(lines('one', 0, 7), 'twice');
    await written(lines('one', 0, 5), 'twice');
    expect(JSON.parse(readFileSync(join(output, 'calibration.json'), 'utf8')).windows).toBe(1);
  });
});
