// Plans that forecast wrongly, over the doubles: they are neither cached nor used, and info says which plans were checked.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildEngine } from '../../src/entries/build.js';
import { type LoadOptions, TFTEngine, type TFTError } from '../../src/index.js';
import { bundles, variedInputs } from '../fixtures/bundles.js';
import { doubleAnswer, doublePlan, onDoubles, whatIsMissing } from '../fixtures/doubles.js';

const PROFILES = [
  { min: 1, opt: 1, max: 2 },
  { min: 3, opt: 4, max: 8 },
];

describe.skipIf(whatIsMissing())('a plan', () => {
  let root: string;
  let bundle: string;
  let engines: string;
  let log: string[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tft-plan-check-'));
    bundle = join(root, 'bundle');
    engines = join(root, 'cache', 'engines');
    cpSync(bundles.tiny, bundle, { recursive: true });
    log = [];
  });
  afterEach(() => {
    delete process.env.TFT_DOUBLE_WRONG_PROFILE;
    rmSync(root, { recursive: true });
  });

  const inputs = variedInputs(3, 1);
  const settings = (options: LoadOptions = {}): LoadOptions => ({
    tensorrt: onDoubles(),
    backend: 'tensorrt',
    cache: join(root, 'cache'),
    build: { profiles: PROFILES },
    log: ({ level, message }) => log.push(`${level}: ${message}`),
    ...options,
  });
  async function use(options?: LoadOptions, path = bundle) {
    await using engine = await TFTEngine.load(path, settings(options));
    return { info: engine.info, data: (await engine.predict(inputs)).data };
  }
  const refusal = (options?: LoadOptions, path?: string) =>
    use(options, path).then(
      () => expect.unreachable('it was loaded'),
      (error: TFTError) => error,
    );
  const build = (more: Parameters<typeof buildEngine>[1] = {}) => {
    const { tensorrtPath, cudaPath } = onDoubles();
    return buildEngine(bundle, {
      cache: join(root, 'cache'),
      tensorrt: { tensorrtPath, cudaPath },
      build: { profiles: PROFILES },
      ...more,
    });
  };
  const kept = () =>
    (existsSync(engines) ? readdirSync(engines) : []).filter((name) => /engine$|json$/.test(name));
  const recordPath = () => join(engines, kept().find((name) => name.endsWith('.json')) as string);
  const said = (level: string) => log.filter((line) => line.startsWith(level)).join('\n');

  test('that is built is checked once, in each profile at its smallest, optimal and largest batch', async () => {
    const first = await use();
    expect(first.info).toMatchObject({ engine: 'built', checked: true });
    expect(said('info')).toMatch(
      /checked in [\d.]+ s: the sample windows in batches of 1, 2, 3, 4, 8 differ/,
    );
    const { check } = JSON.parse(readFileSync(recordPath(), 'utf8'));
    expect(check).toEqual(
      [
        [0, 1],
        [0, 2],
        [1, 3],
        [1, 4],
        [1, 8],
      ].map(([profile, batch]) => ({ profile, batch, largest: 0, within: 1 })),
    );
    log.length = 0;
    expect((await use()).info).toMatchObject({ engine: 'cache', checked: true });
    expect(said('info')).not.toContain('checked in');
    expect(said('warn')).toBe('');
  });

  test('that forecasts wrongly in one profile is refused, with the profile named, and not cached', async () => {
    process.env.TFT_DOUBLE_WRONG_PROFILE = '1';
    const error = await refusal();
    expect(error.code).toBe('ERR_TFT_PLAN_WRONG');
    expect(error.message).toMatch(
      /wrongly in profile 1 \(batches of 3 to 8\) at a batch of 3: .*up to [\d.]+ % of the spread; at most 0\.\d+ % is allowed/,
    );
    expect(error.details).toMatchObject({ profile: 1, batch: 3 });
    expect(kept()).toEqual([]);
    await expect(build({ output: join(bundle, 'model.engine') })).rejects.toMatchObject({
      code: 'ERR_TFT_PLAN_WRONG',
    });
    expect(existsSync(join(bundle, 'model.engine'))).toBe(false);
    await expect(refusal({ cache: false })).resolves.toMatchObject({ code: 'ERR_TFT_PLAN_WRONG' });
  });

  test('that is wrong runs with check: false, which the log and info say', async () => {
    process.env.TFT_DOUBLE_WRONG_PROFILE = '1';
    const { info, data } = await use({ check: false });
    expect(info).toMatchObject({ engine: 'built', checked: false });
    expect(data).not.toEqual(doubleAnswer(inputs));
    expect(said('warn')).toContain("not checked against PyTorch's forecasts, as check: false asks");
    expect((await build({ check: false })).check).toBeUndefined();
  });

  test('in the cache that was never checked is checked when it is first loaded, and removed if it is wrong', async () => {
    await use({ check: false });
    expect((await use()).info).toMatchObject({ engine: 'cache', checked: true });
    log.length = 0;
    expect((await use()).info).toMatchObject({ engine: 'cache', checked: true });
    expect(said('info')).not.toContain('checked in');
    rmSync(engines, { recursive: true });

    process.env.TFT_DOUBLE_WRONG_PROFILE = '0';
    await use({ check: false });
    const auto = await use({ backend: 'auto', precision: 'fp32' });
    expect(auto.info).toMatchObject({ backend: 'onnxruntime' });
    expect(auto.info.why).toContain('ERR_TFT_PLAN_WRONG');
    expect(said('warn')).toContain('wrongly in profile 0 (batches of 1 to 2) at a batch of 1');
    expect(kept()).toEqual([]);
  });

  test("from a file that is wrong is skipped by 'auto', and refused if TensorRT was requested by name", async () => {
    const plan = join(bundle, 'model.engine');
    writeFileSync(plan, doublePlan({ replace: { weights: 'weights 1048576\nwrong 0' } }));
    const auto = await use({ backend: 'auto' });
    expect(auto.info).toMatchObject({ backend: 'onnxruntime' });
    expect((await refusal({}, plan)).code).toBe('ERR_TFT_PLAN_WRONG');
    expect((await use({ check: false }, plan)).info).toMatchObject({ engine: 'file', checked: false });
  });

  test('from a file stores the result in its record', async () => {
    const output = join(bundle, 'model.engine');
    await build({ output, check: false });
    expect((await use({}, output)).info).toMatchObject({ engine: 'file', checked: true });
    expect(JSON.parse(readFileSync(`${output}.json`, 'utf8')).check).toHaveLength(5);
    log.length = 0;
    await use({}, output);
    expect(said('info')).not.toContain('checked in');
  });

  test('without a record is checked each time, and without sample windows not at all', async () => {
    const plan = join(bundle, 'model.engine');
    writeFileSync(plan, doublePlan());
    expect((await use({}, plan)).info.checked).toBe(true);
    rmSync(join(bundle, 'samples'), { recursive: true });
    log.length = 0;
    expect((await use({}, plan)).info.checked).toBe(false);
    expect(said('warn').split('\n')).toHaveLength(1);
    expect(said('warn')).toContain('tft verify');
  });
});
