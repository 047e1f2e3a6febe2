// A process or a thread may end, and an engine may be collected, at any moment: real programs over the doubles, at
// seeded random moments. Their exit code must be their own, stderr must be empty and, after an orderly end, everything in
// the doubles must be freed.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { bundleWithPlan, doublePlan, onDoubles, runOverDoubles, whatIsMissing } from '../fixtures/doubles.js';
import { moments, twoAtATime } from '../fixtures/programs.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/native-program.mjs', import.meta.url));
/** The number of trials of each ending; scripts run thousands. */
const TIMES = Number(process.env.TFT_ENDINGS ?? 8);
const SEED = Number(process.env.TFT_SEED ?? 1);

describe.skipIf(whatIsMissing())('endings', () => {
  const bundle = bundleWithPlan({
    'model.engine': doublePlan(),
    'wide.engine': doublePlan({ maxBatch: 1500 }),
    'large.engine': doublePlan({ maxBatch: 100_000, replace: { activation: 'activation 16' } }),
  });
  afterAll(() => bundle.remove());

  const run = (what: string, milliseconds = 0, plan = 'model.engine', env: NodeJS.ProcessEnv = {}) =>
    runOverDoubles(
      bundle.folder,
      [
        '--expose-gc',
        PROGRAM,
        join(bundle.folder, plan),
        JSON.stringify(onDoubles()),
        what,
        String(milliseconds),
      ],
      { TFT_DOUBLE_RUN_US: '1500', TFT_DOUBLE_JITTER_US: '500', ...env },
    );

  type Run = Awaited<ReturnType<typeof run>>;
  const tidy = ({ ledger }: Run) => {
    expect(Object.keys(ledger?.created ?? {})).not.toEqual([]);
    expect(ledger?.freed).toEqual(ledger?.created);
  };

  const each = (count: number, seed: number, longest: number, action: (moment: number) => Promise<void>) =>
    twoAtATime(moments(count, SEED * 1000 + seed, longest), action);

  const quiet = (result: Run, code: number, stdout = '') => {
    const { args } = result;
    expect(result).toMatchObject({ args, code, stdout, stderr: '' });
  };

  test('process.exit() with work in flight, at any moment', () =>
    each(2 * TIMES, 1, 200, async (moment) => {
      quiet(await run('exit', moment), 3);
    }));

  test('an uncaught error with work in flight', () =>
    each(TIMES, 2, 200, async (moment) => {
      const ended = await run('throw', moment);
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain('a bug of the user');
    }));

  test('worker threads that are terminated with work in flight', () =>
    each(TIMES, 3, 80, async (moment) => {
      const ended = await run('terminate', moment);
      quiet(ended, 0);
      tidy(ended);
    }));

  test("process.exit() while the user's worker threads run engines", () =>
    each(TIMES, 4, 200, async (moment) => {
      quiet(await run('exit with threads', moment), 3);
    }));

  test('a program that ends with an open engine', async () => {
    const ended = await run('end');
    quiet(ended, 0);
    tidy(ended);
  });

  test('a program that ends without awaiting its forecast gets it first', async () => {
    quiet(await run('answer'), 0, '20x4x3\n');
  });

  test('close completes accepted requests and frees everything', async () => {
    const ended = await run('close');
    quiet(ended, 0, '20x4x3\n');
    tidy(ended);
  });

  test('close at any moment, not awaited', () =>
    each(TIMES / 2, 5, 12, async (moment) => {
      const ended = await run('closeAtOnce', moment);
      quiet(ended, 0);
      tidy(ended);
    }));

  test('engines without references are collected, after their requests have ended', async () => {
    const ended = await run('collect');
    quiet(ended, 0);
    tidy(ended);
  });

  // The engine's threads write these results to JavaScript's memory.
  const LARGE = { TFT_MOST: '1401' };
  test.each([
    ['exit', 3],
    ['terminate', 0],
    ['exit with threads', 3],
  ])('results in place, %s at any moment', (what, code) =>
    each(Math.ceil(TIMES / 4), 6, 80, async (moment) =>
      quiet(await run(what, moment, 'wide.engine', LARGE), code),
    ),
  );

  test('results in place of engines without references', async () => {
    const ended = await run('collect', 0, 'wide.engine', LARGE);
    quiet(ended, 0);
    tidy(ended);
  });

  test('borrowed memory is kept while it is read, and collected afterwards', async () => {
    quiet(await run('borrow'), 0, '60\n');
  });

  test("V8 counts an engine's memory, and collects unreferenced engines by itself", async () => {
    quiet(await run('forget', 0, 'large.engine'), 0, 'collected\n');
  });

  // A fault at the nth call: the process still ends in order and frees everything.
  test.each([
    'cuMemAlloc_v2:1:2',
    'cuMemHostAlloc:1:2',
    'deserializeCudaEngine:1:1',
    'createExecutionContext:2:1',
    'cuMemcpyHtoDAsync_v2:3:1',
    'enqueueV3:2:1',
    'cuStreamBeginCapture_v2:1:900',
    'cuEventRecord:3:1',
    'run:model:3:700',
  ])('%s fails: no hang and no leak', async (fault) => {
    const ended = await run('whole', 0, 'model.engine', { TFT_DOUBLE_FAIL: fault });
    expect(ended.ledger?.faultsFired).toBe(1);
    if (ended.code !== 0) expect(ended.stderr).toMatch(/ERR_TFT_[A-Z_]+/);
    if (!fault.startsWith('run:')) tidy(ended);
  });
});
