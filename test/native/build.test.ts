// Building, inspecting and measuring over the doubles, through the addon: the results in JavaScript, and threads and
// processes that end during a build.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { NativeBuildOptions, NativeBuildProgress } from '../../src/native/addon.js';
import { loadAddon } from '../../src/native/load-addon.js';
import {
  bundles,
  CATEGORIES,
  ENCODER_LENGTH,
  HORIZON,
  KNOWN,
  METRICS,
  QUANTILES,
} from '../fixtures/bundles.js';
import { MAJORS, onDoubles, runOverDoubles, whatIsMissing } from '../fixtures/doubles.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/build-program.mjs', import.meta.url));
/** The number of trials of each ending; scripts run thousands. */
const TIMES = Number(process.env.TFT_ENDINGS ?? 8);

const ignore = () => {};

function buildOptions(
  major: (typeof MAJORS)[number],
  more: Partial<NativeBuildOptions> = {},
): NativeBuildOptions {
  return {
    ...onDoubles(major),
    onnx: join(bundles.tiny, 'model.onnx'),
    inputs: [
      { name: 'encoder_cont', type: 'float32', item: [ENCODER_LENGTH, METRICS] },
      { name: 'encoder_cat', type: 'int32', item: [ENCODER_LENGTH, CATEGORIES] },
      { name: 'decoder_cont', type: 'float32', item: [HORIZON, KNOWN] },
      { name: 'decoder_cat', type: 'int32', item: [HORIZON, CATEGORIES] },
    ],
    output: { name: 'predictions', type: 'float32', item: [HORIZON, QUANTILES] },
    profiles: [{ min: 1, opt: 4, max: 8 }],
    ...more,
  };
}

describe.skipIf(whatIsMissing())('building', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-build-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(MAJORS)('TensorRT %i: a plan, its progress, its report and its times', async (major) => {
    const steps: NativeBuildProgress[] = [];
    const levels = new Set<string>();
    const { result } = loadAddon().build(
      buildOptions(major),
      (level) => levels.add(level),
      (step) => steps.push(step),
    );
    const { plan, timingCache } = await result;
    expect(Buffer.from(plan).toString()).toMatch(/^tft-double-plan 1\n/);
    expect(timingCache.length).toBeGreaterThan(0);
    expect(steps).toContainEqual({ phase: 'Timing tactics', parent: 'Building Engine', done: 3, steps: 10 });
    expect(steps.at(-1)).toEqual({ phase: 'Building Engine', parent: '', done: 2, steps: 2 });

    const file = join(folder, `${major}.engine`);
    writeFileSync(file, plan);
    const report = await loadAddon().inspectEngine({ ...onDoubles(major), plan: file });
    expect(report).toMatchObject({ profiles: [{ min: 1, opt: 4, max: 8 }], planBytes: plan.length });
    expect(report.tensorrtVersion).toMatch(new RegExp(`^${major}\\.`));
    expect(JSON.parse(report.layers).Layers).toHaveLength(2);

    const measured = await loadAddon().measure(
      {
        ...onDoubles(major),
        plan: file,
        batch: 5,
        streams: 2,
        warmUpMs: 0,
        durationMs: 0,
        iterations: 6,
        layerProfile: true,
      },
      ignore,
    ).result;
    expect(measured).toMatchObject({ batch: 5, iterations: 6, graph: false });
    expect(measured.samples).toHaveLength(6 * 7);
    expect(measured.layers?.map(({ name }) => name)).toEqual(['weighted sums', 'mix']);

    const again = await loadAddon().build(buildOptions(major, { timingCache }), ignore, ignore).result;
    expect(again.plan).toEqual(plan);
  });

  test('errors have the core’s codes', async () => {
    const { build, measure, inspectEngine } = loadAddon();
    const code = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error: Error & { code?: string }) => error.code,
      );
    const builds = (more: Partial<NativeBuildOptions>) =>
      code(build(buildOptions(11, more), ignore, ignore).result);
    expect(await builds({ onnx: '/nowhere.onnx' })).toBe('ERR_TFT_BUILD');
    expect(await builds({ onnx: join(bundles.tiny, 'model.json') })).toBe('ERR_TFT_BUILD');
    expect(await builds({ profiles: [] })).toBe('ERR_TFT_OPTION');
    expect(await builds({ workspaceBytes: Number.NaN })).toBe('ERR_TFT_OPTION');
    expect(await builds({ stronglyTyped: false, fp16: true })).toBe('ERR_TFT_UNSUPPORTED');
    expect(await builds({ output: { name: 'y', type: 'float32', item: [1, 1] } })).toBe(
      'ERR_TFT_PLAN_MISMATCH',
    );
    expect(await code(inspectEngine({ ...onDoubles(11), plan: '/nowhere' }))).toBe('ERR_TFT_PLAN_INVALID');
    expect(await code(measure({ ...onDoubles(11), plan: '/nowhere', batch: 1 }, ignore).result)).toBe(
      'ERR_TFT_PLAN_INVALID',
    );
  });

  async function run(what: string, milliseconds = 0) {
    const args = [PROGRAM, JSON.stringify(buildOptions(10)), what, String(milliseconds)];
    const ended = await runOverDoubles(folder, args, { TFT_DOUBLE_BUILD_MS: '150' });
    // Whatever happened to the build, everything was freed.
    expect({ what, milliseconds, created: ended.ledger?.freed }).toEqual({
      what,
      milliseconds,
      created: ended.ledger?.created,
    });
    return ended;
  }
  /** Moments spread over a whole build and a little after it. */
  const moments = Array.from({ length: TIMES }, (_, i) => Math.round((i * 220) / TIMES));

  test('a build that is not awaited keeps the process alive until it has ended', async () => {
    expect(await run('answer')).toMatchObject({ code: 0, stdout: 'built\n', stderr: '' });
  });

  test('a listener that throws is reported, and the build goes on', async () => {
    expect(await run('complain')).toMatchObject({
      code: 0,
      stdout: 'a bug of the listener\nbuilt\n',
      stderr: '',
    });
  });

  test('a build cancelled at any moment ends with a code, unless it had ended before', async () => {
    for (const moment of moments) {
      const ended = await run('cancel', moment);
      expect(ended).toMatchObject({ code: 0, stderr: '' });
      expect(ended.stdout).toMatch(/^(ERR_TFT_ABORTED|built)\n$/);
    }
  });

  test('process.exit() and an uncaught error during a build', async () => {
    for (const moment of moments.slice(0, TIMES / 2)) {
      expect(await run('exit', moment)).toMatchObject({ code: 3, stdout: '', stderr: '' });
      expect(await run('throw', moment)).toMatchObject({ code: 1, stdout: '' });
    }
  });

  test('a worker thread that is terminated during a build', async () => {
    for (const moment of moments) {
      const ended = await run('terminate', moment / 2);
      expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
      expect(ended.ledger?.created).toMatchObject({ builder: 1 });
    }
  });
});
