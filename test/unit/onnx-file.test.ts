// Reading an ONNX file without running it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readChannels, readOnnx } from '../../src/builder/onnx-file.js';
import { loadModel } from '../../src/contract/model.js';
import { bundles, published } from '../fixtures/bundles.js';

const DEMO = fileURLToPath(new URL('../../models/demo', import.meta.url));

describe('an ONNX file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tft-onnx-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([bundles.tiny, DEMO])('has the tensors that its bundle describes: %s', async (bundle) => {
    const model = await loadModel(bundle);
    const summary = await readOnnx(model.onnxPath);
    const plain = (tensors: readonly { name: string; type: string; shape: readonly unknown[] }[]) =>
      Object.fromEntries(tensors.map(({ name, type, shape }) => [name, [type, ...shape.slice(1)]]));
    expect(plain(summary.inputs)).toEqual(plain(model.inputs));
    expect(plain(summary.outputs)).toEqual(plain(model.outputs));
    expect(summary.opset).toBe(model.versions?.opset);
  });

  test('says which channels of an input its graph reads', async () => {
    const read = async (bundle: string) => readChannels((await loadModel(bundle)).onnxPath, 'decoder_cat');
    expect(await read(bundles.tiny)).toBe('all');
    expect(await read(DEMO)).toEqual([]);
    const { categories } = await loadModel(published.stallion);
    const known = [...categories.keys()].filter((channel) => categories[channel]?.role === 'known');
    expect(known).not.toEqual([]);
    expect(await read(published.stallion)).toEqual(known);
  });

  test('has as many operators as the exporter counted', async () => {
    const model = await loadModel(DEMO);
    const { operators } = await readOnnx(model.onnxPath);
    expect([...operators.values()].reduce((sum, count) => sum + count, 0)).toBe(model.network?.nodes);
    expect(operators.get('LSTM')).toBe(2);
  });

  test('with a number that never ends is refused before it is read in full', async () => {
    const path = join(folder, 'endless.onnx');
    const message = (field: number, content: Buffer) => {
      const length: number[] = [];
      let rest = content.length;
      for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
      return Buffer.concat([Buffer.from([(field << 3) | 2, ...length, rest]), content]);
    };
    // A weight whose dimensions are a megabyte of a single number.
    const endless = message(7, message(5, message(1, Buffer.alloc(2 ** 20, 0xff))));
    writeFileSync(path, endless);
    await expect(readOnnx(path)).rejects.toMatchObject({
      code: 'ERR_TFT_MODEL_INVALID',
      message: expect.stringContaining('a number is too long'),
    });
  });

  test('that is truncated or of another kind is refused', async () => {
    const whole = readFileSync(join(bundles.tiny, 'model.onnx'));
    const path = join(folder, 'bad.onnx');
    for (const content of [whole.subarray(0, 400), Buffer.from('{"no": "model"}'), Buffer.alloc(0)]) {
      writeFileSync(path, content);
      await expect(readOnnx(path)).rejects.toMatchObject({ code: 'ERR_TFT_MODEL_INVALID' });
    }
    await expect(readOnnx('/nowhere.onnx')).rejects.toMatchObject({ code: 'ERR_TFT_MODEL_NOT_FOUND' });
  });
});
