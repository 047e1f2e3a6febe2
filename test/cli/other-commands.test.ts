// `tft demo`, `tft verify`, `tft doctor` and the help, through the real process.
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleWithHistory, editModel, HEADER, lines, TINY, tft } from './tft.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function copyOfTiny(name: string): string {
  const bundle = join(folder, name);
  cpSync(TINY, bundle, { recursive: true });
  return bundle;
}

describe('tft demo', () => {
  it('forecasts the sample history, says that it is simulated, what ran and how fast', async () => {
    const bundle = bundleWithHistory(folder, HEADER + lines('one', 0, 5) + lines('two', 0, 5));
    const { status, stdout, stderr } = await tft(['demo', '--model', bundle]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain('Simulated data');
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
      /^2 forecasts in [\d.]+ ms: [\d.]+ ms each, [\d,]+ forecasts\/s on onnxruntime \d/,
    );
    const json = await tft(['demo', '--model', bundle, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ simulated: true, model: 'tiny' });
    expect(json.stderr).toContain('forecasts/s');
    expect(stdout).not.toContain('How good');
    const path = join(bundle, 'model.json');
    const model = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...model, training: { evaluation: { sets: [] } } }));
    expect((await tft(['demo', '--model', bundle])).stdout).toContain("where: 'tft inspect'");
  });

  it('says what to do when the bundle has no sample', async () => {
    const { status, stderr } = await tft(['demo', '--model', TINY]);
    expect(stderr).toContain("has no sample history; 'tft predict' takes one of yours");
    expect(status).toBe(1);
  });
});

describe('tft verify', () => {
  it('passes a bundle whose output is the expected one', async () => {
    const { status, stdout, stderr } = await tft(['verify', TINY]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain('tiny: 5 sample windows on onnxruntime');
    expect(stdout).toContain('within the limit');
  });

  it('fails when one value is over the limit, naming its quantile', async () => {
    const bundle = copyOfTiny('off');
    spoil(bundle, 1, 3);
    const { status, stdout } = await tft(['verify', bundle, '--json']);
    expect(status).toBe(1);
    const verdict = JSON.parse(stdout);
    expect(verdict).toMatchObject({ withinLimit: false, windows: 5, maximum: 3 });
    expect(verdict.quantiles.map(({ maximum }: { maximum: number }) => maximum)).toEqual([0, 3, 0]);
    expect((await tft(['verify', bundle])).stdout).toContain('OVER THE LIMIT');
  });

  it('counts windows across the turn of a month apart and does not judge them', async () => {
    const bundle = copyOfTiny('turn');
    spoil(bundle, 1, 3);
    editModel(bundle, (model) => {
      model.samples.monthTurn = [0];
    });
    const { status, stdout } = await tft(['verify', bundle, '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      windows: 4,
      maximum: 0,
      monthTurn: { windows: 1, maximum: 3 },
    });
    expect((await tft(['verify', bundle])).stdout).toContain('1 more window crosses the turn of a month');
  });

  it('takes NaN for the worst of differences', async () => {
    const bundle = copyOfTiny('nan');
    spoil(bundle, 0, Number.NaN);
    expect((await tft(['verify', bundle])).status).toBe(1);
  });

  it('refuses files that are not the ones described', async () => {
    const bundle = copyOfTiny('changed');
    const path = join(bundle, 'samples', 'expected.bin');
    const bytes = readFileSync(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const { status, stderr } = await tft(['verify', bundle]);
    expect(stderr).toContain('(ERR_TFT_MODEL_HASH)');
    expect(status).toBe(1);
  });

  it('says so when there is no bundle', async () => {
    const { status, stderr } = await tft(['verify', '/nowhere']);
    expect(stderr).toBe('tft: no model at /nowhere (ERR_TFT_MODEL_NOT_FOUND)\n');
    expect(status).toBe(1);
  });

  /** Adds to one expected value and describes the changed file as if it were right. */
  function spoil(bundle: string, index: number, difference: number): void {
    const path = join(bundle, 'samples', 'expected.bin');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(bytes.readFloatLE(index * 4) + difference, index * 4);
    writeFileSync(path, bytes);
    editModel(bundle, (model) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      model.samples.files.expected = { path: 'samples/expected.bin', bytes: bytes.length, sha256 };
    });
  }
});

describe('tft doctor', () => {
  it('names what works here, and for everything else why not', async () => {
    const { status, stdout } = await tft(['doctor', '--model', TINY]);
    expect(status).toBe(0);
    expect(stdout).toContain(`node          v${process.versions.node}`);
    expect(stdout).toMatch(/✓ ONNX Runtime {2}\d+\.\d+/);
    expect(stdout).toMatch(/✓ onnxruntime .*a forecast takes [\d.]+ ms/);
    // The first thing that is missing here, and what to do about it.
    expect(stdout).toMatch(
      /tensorrt +(?:there is no NVIDIA driver.*install it|the native addon is not here.*builds it|there is no TensorRT|tensorrt \d)/,
    );
    expect(stdout).toContain('CUDA driver');
  });

  it('exits with 1 when nothing works', async () => {
    const { status, stdout } = await tft(['doctor', '--model', '/nowhere', '--json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ works: false, backends: [] });
  });
});

describe('a failure', () => {
  it('is JSON too where JSON is asked for', async () => {
    const { status, stdout, stderr } = await tft(['inspect', '/nowhere', '--json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ERR_TFT_MODEL_NOT_FOUND', message: 'no model at /nowhere' },
    });
    expect(stderr).toContain('no model at /nowhere (ERR_TFT_MODEL_NOT_FOUND)');
  });

  it('of a picture whose folder is not there comes before anything is read', async () => {
    const { status, stderr } = await tft(['predict', '/nowhere.csv', '--plot', '/nowhere/x.png']);
    expect(status).toBe(1);
    expect(stderr).toContain(
      'cannot write /nowhere/x.png: the folder /nowhere does not exist (ERR_TFT_FILE)',
    );
  });
});

describe('tft inspect', () => {
  it('shows tensors, files, operators, variants, their accuracy, and how good forecasts were', async () => {
    const bundle = copyOfTiny('inspected');
    const path = join(bundle, 'model.json');
    const model = JSON.parse(readFileSync(path, 'utf8'));
    const kept = [{ part: 'attention mask', precision: 'fp32', nodes: 3, why: 'it overflows' }];
    model.variants = { fp16: { file: model.files.onnx, lstm: 'fp32', kept } };
    model.accuracy = { rows: [{ precision: 'fp16', within1: 0.99991, largest: 0.25 }], emulated: true };
    const row = { name: 'tiny', pinball: 1.25, gain: 0.123, interval: [-0.04, 0.2], coverage80: 0.801 };
    const set = { name: 'other machines', windows: 90, machines: 4, won: 3, bestNaive: 'last value' };
    model.training = { evaluation: { sets: [{ ...set, forecasts: [row, { ...row, interval: null }] }] } };
    writeFileSync(path, JSON.stringify(model));
    const { status, stdout, stderr } = await tft(['inspect', bundle]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/encoder_cont +float32 +batch x 6 x 3/);
    expect(stdout).toMatch(/^10 operators \(opset 17.*4 MatMul/m);
    expect(stdout).toContain('fp16, LSTM in fp32; kept wider: 3 nodes in 1 part, which --verbose lists');
    const verbose = await tft(['inspect', bundle, '--verbose']);
    expect(verbose.stdout).toContain('attention mask in fp32 (3 nodes): it overflows');
    expect(stdout).toMatch(/fp16 +99\.99 % .*0\.25/);
    expect(stdout).toContain('emulated on a CPU');
    expect(stdout).toContain("other machines: 90 windows, better than 'last value' on 3 of 4 machines");
    expect(stdout).toMatch(/tiny +1\.250 +12\.3 % +-4\.0 % to 20\.0 % +80\.1 %/);
    const json = JSON.parse((await tft(['inspect', bundle, '--json'])).stdout);
    expect(json).toMatchObject({ model: { name: 'tiny' }, onnx: { nodes: 10 } });
  });
});

describe('help', () => {
  it.each([
    [[]],
    [['predict']],
    [['demo']],
    [['verify']],
    [['doctor']],
    [['build']],
    [['trtexec']],
    [['inspect']],
    [['cache', 'prune']],
    [['calibration', 'collect']],
  ])('tft %j --help has examples', async (args) => {
    const { status, stdout, stderr } = await tft([...args, '--help']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain('Usage: tft');
    expect(stdout).toContain('Examples:');
    expect(stdout.split('\n').every((text) => text.length <= 100)).toBe(true);
  });

  it('is shown, as a mistake, when no command is given', async () => {
    const { status, stderr } = await tft([]);
    expect(stderr).toContain('Usage: tft');
    expect(status).toBe(1);
  });

  it('--version is the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect((await tft(['--version'])).stdout).toBe(`${version}\n`);
  });
});
