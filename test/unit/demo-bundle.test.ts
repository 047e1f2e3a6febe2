// The bundle that ships: its sample windows give, through the engine, what PyTorch gave for them.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadModel, readBundleFile, TFTEngine } from '../../src/index.js';

const bundle = fileURLToPath(new URL('../../models/demo', import.meta.url));
const reason = existsSync(`${bundle}/model.json`) ? undefined : 'models/demo is not here';

test.skipIf(reason)(
  `sample windows against their expected output ${reason ? `(${reason})` : ''}`,
  async () => {
    const model = await loadModel(bundle);
    if (!model.samples) throw new Error('the demo bundle has samples');
    const { files, count, tolerance, spread, monthTurn = [] } = model.samples;
    const memory = async (file: keyof typeof files) => {
      const content = await readBundleFile(model, files[file]);
      return content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
    };
    const engine = await TFTEngine.load(bundle);
    const { data, shape } = await engine.predict({
      encoderCont: new Float32Array(await memory('encoder_cont')),
      encoderCat: new Int32Array(await memory('encoder_cat')),
      decoderCont: new Float32Array(await memory('decoder_cont')),
      decoderCat: new Int32Array(await memory('decoder_cat')),
    });
    await engine.close();
    const expected = new Float32Array(await memory('expected'));
    expect(shape[0]).toBe(count);
    expect(data).toHaveLength(expected.length);
    const width = shape[1] * shape[2];
    const judged = [...data.keys()].filter((index) => !monthTurn.includes(Math.floor(index / width)));
    const apart = Math.max(...judged.map((index) => Math.abs((data[index] ?? 0) - (expected[index] ?? 0))));
    expect(apart).toBeLessThan(tolerance * spread);
  },
);
