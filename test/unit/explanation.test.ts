// A model that says what its forecasts rest on: the bundle's second graph.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSamples } from '../../src/contract/samples.js';
import { forecastSchema } from '../../src/forecast-schema.js';
import {
  binAttention,
  type FleetForecast,
  type FurtherOutput,
  readHistory,
  TFTEngine,
  type TFTError,
} from '../../src/index.js';
import { bundles } from '../fixtures/bundles.js';

const demo = join(import.meta.dirname, '../../models/demo');
let engine: TFTEngine;
let fleet: FleetForecast;
beforeAll(async () => {
  engine = await TFTEngine.load('demo', { explain: true, threads: 1 });
  fleet = await engine.forecast(await readHistory(join(demo, 'history.csv.gz'), engine.model));
});
afterAll(() => engine.close());

const refusal = (path: string, options: object): Promise<TFTError> =>
  TFTEngine.load(path, options).then(
    () => expect.unreachable('it was loaded'),
    (error: TFTError) => error,
  );

function floats(file: string): Float32Array {
  const { buffer, byteOffset, length } = readFileSync(join(demo, 'samples', `${file}.bin`));
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length));
}

/** The largest difference. */
function largest(found: FurtherOutput['data'], expected: Float32Array): number {
  return Math.max(...Array.from(expected, (value, at) => Math.abs((found[at] as number) - value)));
}

describe('a model loaded with explain', () => {
  test("forecasts the same numbers, and gives PyTorch's weights", async () => {
    await using plain = await TFTEngine.load('demo', { threads: 1 });
    const { inputs } = await readSamples(engine.model);
    const forecast = await engine.predict(inputs);
    // The two graphs were exported by different builds of PyTorch.
    expect(largest(forecast.data, (await plain.predict(inputs)).data)).toBeLessThan(1e-3);
    expect(Object.keys(forecast.outputs)).toEqual([
      'static_variables',
      'encoder_variables',
      'decoder_variables',
      'attention',
    ]);
    for (const [name, { data, shape }] of Object.entries(forecast.outputs)) {
      const expected = floats(`expected_${name}`);
      expect(shape[0] * shape[1] * shape[2]).toBe(expected.length);
      expect(largest(data, expected)).toBeLessThan(1e-5);
    }
  });

  test('names the variables of a server, the heaviest first, and the parts of the horizon', () => {
    const { explanation } = fleet.series('sim-conductor-mgmt-003');
    if (explanation === undefined) return expect.unreachable();
    expect(explanation.encoder.map(({ name }) => name).sort()).toEqual([
      'cpu_user_pct',
      'mem_used_pct',
      'net_in_mb_s',
      'net_out_mb_s',
      'relative_time_idx',
      'status',
    ]);
    for (const list of [explanation.static, explanation.encoder, explanation.decoder]) {
      const weights = list.map(({ weight }) => weight);
      expect(weights).toEqual([...weights].sort((one, other) => other - one));
      expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 5);
    }
    expect(explanation.attention.map(({ from, to }) => [from, to])).toEqual([
      [0, 12],
      [12, 48],
      [48, 96],
    ]);
    const whole = explanation.past;
    expect(whole).toHaveLength(288);
    const [first, second, third] = explanation.attention.map(({ weights }) => weights[287] as number);
    expect(whole[287]).toBeCloseTo(((first ?? 0) + 3 * (second ?? 0) + 4 * (third ?? 0)) / 8, 6);
  });

  test('explains each series of a batch by its own weights', async () => {
    const { inputs, count } = await readSamples(engine.model);
    const forecast = await engine.predict(inputs);
    const shares = Array.from(
      forecast,
      ({ explanation }) => explanation?.encoder.find(({ name }) => name === 'cpu_user_pct')?.weight,
    );
    const channel = engine.model.explanation?.selections
      .find(({ of }) => of === 'encoder')
      ?.variables.indexOf('cpu_user_pct') as number;
    const { data, shape } = forecast.outputs.encoder_variables as {
      data: Float32Array;
      shape: readonly number[];
    };
    expect(shares).toEqual(
      Array.from({ length: count }, (_, series) => data[series * (shape[2] as number) + channel]),
    );
  });

  test('writes its weights as JSON that the schema describes', () => {
    const json = JSON.parse(JSON.stringify(fleet));
    expect(forecastSchema.parse(json)).toEqual(json);
    const { explanation } = json.forecasts[0];
    expect(explanation.attention[2].weights).toHaveLength(288);
    expect(String(explanation.encoder[0].weight)).toMatch(/^0\.\d{1,6}$/);
  });

  test('is meant too where the path names its file', async () => {
    await using named = await TFTEngine.load(join(demo, 'model.explained.onnx'), { threads: 1 });
    expect(named.model.outputs).toHaveLength(5);
    expect(named.info.origin).toBe(join(demo, 'model.explained.onnx'));
  });
});

test('attention is summed by bins that end with the newest step', () => {
  const weights = Float32Array.of(1, 2, 3, 4, 5);
  expect(binAttention(weights, 2)).toEqual([1, 5, 9]);
  expect(binAttention(weights, 5)).toEqual([15]);
  expect(binAttention(weights, 1)).toEqual([1, 2, 3, 4, 5]);
});

test('without explain there is no explanation', async () => {
  await using plain = await TFTEngine.load('demo', { threads: 1 });
  const { inputs } = await readSamples(plain.model);
  const [first] = await plain.predict(inputs);
  expect(first?.explanation).toBeUndefined();
  expect(plain.model.outputs).toHaveLength(1);
});

test('a model without a graph that explains is refused, with what adds it', async () => {
  const error = await refusal(bundles.tiny, { explain: true });
  expect(error.code).toBe('ERR_TFT_UNSUPPORTED');
  expect(error.message).toContain(`tft-export explain ${bundles.tiny}`);
  expect((await refusal(join(demo, 'model.onnx'), { explain: true })).code).toBe('ERR_TFT_OPTION');
  expect((await refusal('demo', { explain: 'yes' })).code).toBe('ERR_TFT_OPTION');
  expect((await refusal('demo', { explain: true, precision: 'fp16', backend: 'onnxruntime' })).code).toBe(
    'ERR_TFT_UNSUPPORTED',
  );
});

describe('an explanation in model.json that contradicts itself is refused', () => {
  type Explained = {
    outputs: { name: string }[];
    selections: { variables: string[]; output?: string }[];
    attention: { parts: number[][] };
  };
  test.each<[string, (explanation: Explained) => void]>([
    ['an output that is missing', ({ outputs }) => outputs.splice(3, 1)],
    ['a variable too many', ({ selections }) => selections[1]?.variables.push('uptime')],
    ['several variables without an output', ({ selections }) => delete selections[1]?.output],
    ['a part beyond the horizon', ({ attention }) => attention.parts[2]?.splice(1, 1, 97)],
    [
      'a name that is there twice',
      ({ outputs }) => outputs.push({ ...(outputs[0] as object), name: 'predictions' }),
    ],
  ])('%s', async (_, change) => {
    const folder = mkdtempSync(join(tmpdir(), 'tft-explained-'));
    try {
      const model = JSON.parse(readFileSync(join(demo, 'model.json'), 'utf8'));
      change(model.explanation);
      writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
      cpSync(join(demo, 'model.explained.onnx'), join(folder, 'model.explained.onnx'));
      const error = await refusal(folder, { explain: true });
      expect([error.code, error.message]).toEqual([
        'ERR_TFT_MODEL_INVALID',
        expect.stringContaining('explanation'),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
