// Several processes and one engine cache, over the doubles: one process builds for all; a process killed at any moment
// leaves no entry that would be trusted; and if the cache is read-only or full, forecasts still work.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listCache, pruneCache } from '../../src/builder/cache-upkeep.js';
import { TFT } from '../cli/tft.js';
import { bundles } from '../fixtures/bundles.js';
import { onDoubles, readReport, whatIsMissing } from '../fixtures/doubles.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/engine-program.mjs', import.meta.url));
/** The number of times that a process is killed; scripts do it hundreds of times. */
const KILLS = Number(process.env.TFT_KILLS ?? 10);
const SEED = Number(process.env.TFT_SEED ?? 1);
/** The duration of a build with the doubles. */
const BUILD_MS = 60;

interface Said {
  stage?: string;
  engine?: string;
  origin?: string;
  data?: number[];
  code?: string;
  message?: string;
  warnings?: string[];
}

/** Whether this user may mount file systems in a new namespace. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('tests of full and read-only disks are skipped: file systems cannot be mounted here');
    return false;
  }
}

describe.skipIf(whatIsMissing())('processes that share an engine cache', () => {
  let cache: string;
  let engines: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'tft-shared-'));
    engines = join(cache, 'engines');
  });
  afterEach(() => rmSync(cache, { recursive: true, force: true }));

  const env = { ...process.env, TFT_DOUBLE_BUILD_MS: String(BUILD_MS) };
  const options = (more: object = {}) => JSON.stringify({ cache, tensorrt: onDoubles(), ...more });
  const command = [PROGRAM, bundles.tiny];

  interface Setting {
    /** Shell commands to run first, in a new mount namespace. */
    before?: string;
    report?: string;
  }

  /** Starts the program. */
  function start({ before, report }: Setting = {}): {
    child: ChildProcess;
    said: Promise<Said[]>;
    building: Promise<void>;
  } {
    const args = [...command, options()];
    const own = { env: report ? { ...env, TFT_DOUBLE_REPORT: report } : env };
    const child = before
      ? spawn('unshare', ['-rm', 'sh', '-ec', `${before}; exec "$0" "$@"`, process.execPath, ...args], own)
      : spawn(process.execPath, args, own);
    let onBuilding = () => {};
    const building = new Promise<void>((resolve) => {
      onBuilding = resolve;
    });
    const lines: Said[] = [];
    let stderr = '';
    child.stderr?.on('data', (text) => {
      stderr += text;
    });
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      lines.push(JSON.parse(line));
      if (lines.at(-1)?.stage === 'building') onBuilding();
    });
    const said = once(child, 'close').then(() => {
      expect(stderr).toBe('');
      onBuilding();
      return lines;
    });
    return { child, said, building };
  }
  const run = async (setting?: Setting) => (await start(setting).said).at(-1) as Said;

  test('build once if they start together: the others wait, log that, and use the result', async () => {
    const all = await Promise.all([1, 2, 3].map(() => start().said));
    const ends = all.map((lines) => lines.at(-1) as Said);
    expect(ends.map(({ engine }) => engine).sort()).toEqual(['built', 'cache', 'cache']);
    for (const { data } of ends) expect(data).toEqual(ends[0]?.data);
    const stages = all.flatMap((lines) => lines.map(({ stage }) => stage));
    expect(stages.filter((stage) => stage === 'building')).toHaveLength(1);
  });

  test('time layers once: the next engine of the model is built with the timing cache', async () => {
    const timed = async () => {
      const report = join(cache, 'report.json');
      expect((await run({ report })).engine).toBe('built');
      const { calls, violations } = readReport(report);
      expect(violations).toEqual([]);
      return calls.timeTactics ?? 0;
    };
    expect(await timed()).toBe(1);
    for (const name of readdirSync(engines)) if (!name.startsWith('timing-')) rmSync(join(engines, name));
    expect(await timed()).toBe(0);
  });

  test('build once if they are threads of one process', async () => {
    const threads = [1, 2, 3].map(async () => {
      const thread = new Worker(PROGRAM, { workerData: [bundles.tiny, options()] });
      const lines: Said[] = [];
      thread.on('message', (line) => lines.push(line));
      await once(thread, 'exit');
      return lines.at(-1)?.engine;
    });
    expect((await Promise.all(threads)).sort()).toEqual(['built', 'cache', 'cache']);
  });

  test('trust nothing that a process killed at any moment has left', async () => {
    let state = SEED * 7919;
    const outcomes = new Set<string>();
    const data = (await run()).data;
    for (let kill = 0; kill < KILLS; kill++) {
      rmSync(engines, { recursive: true, force: true });
      const { child, said, building } = start();
      await building;
      state = (Math.imul(state, 48_271) >>> 0) % 0x7fffffff;
      // From the start of the build to some time after the engine is cached.
      await new Promise((resolve) => setTimeout(resolve, state % (BUILD_MS * 2)));
      child.kill('SIGKILL');
      await said;
      const entries = existsSync(engines) ? await listCache(engines, true) : [];
      for (const { kind, damage } of entries) if (kind !== 'left over') expect(damage).toBeUndefined();
      outcomes.add(entries.some(({ kind }) => kind === 'engine') ? 'kept' : 'nothing');
      // The lock of the killed process does not block the next, which finds the engine or builds it.
      if (kill % 5 === 0) expect(await run()).toMatchObject({ data, warnings: [] });
    }
    expect([...outcomes]).toContain('nothing');
    await run();
    await pruneCache(engines, { all: true });
    expect(readdirSync(engines)).toEqual([]);
  });

  describe.skipIf(!canMount())('on file systems', () => {
    const tmpfs = (size: string) => `mount -t tmpfs -o size=${size} tmpfs ${cache}`;

    test('that are read-only: cached engines run, others are built and run without being cached', async () => {
      mkdirSync(engines);
      const readOnly = `mount --bind ${cache} ${cache} && mount -o remount,ro,bind ${cache}`;
      const built = await run({ before: readOnly });
      expect(built.engine).toBe('built');
      expect(built.origin).toContain('not kept');
      expect(built.warnings?.join()).toMatch(/read-only \(EROFS\).*not kept/);
      await run();
      expect(await run({ before: readOnly })).toMatchObject({
        engine: 'cache',
        data: built.data,
        warnings: [],
      });
    });

    test('that are full: built engines run, and no incomplete entry is left', async () => {
      // Enough space for the lock, but not for the plan.
      const fill = `${tmpfs('16k')} && mkdir ${engines} && head -c 8192 /dev/zero > ${cache}/filling`;
      const full = await run({ before: fill });
      expect(full.engine).toBe('built');
      expect(full.warnings?.join()).toMatch(/the disk is full \(ENOSPC\).*not kept/);
    });

    test('that are full: tft build fails with a code and leaves no broken engine', async () => {
      const script =
        `${tmpfs('16k')}; mkdir ${engines}; head -c 8192 /dev/zero > ${cache}/filling; ` +
        `"$0" "$@" --cache ${cache} || echo "status $?"; ls -A ${engines}`;
      const [cuda, tensorrt] = [onDoubles().cudaPath, onDoubles().tensorrtPath] as [string, string];
      const paths = [cuda, tensorrt].map((path) => join(path, '..')).join(':');
      const child = spawn(
        'unshare',
        ['-rm', 'sh', '-c', script, process.execPath, TFT, 'build', bundles.tiny],
        {
          env: { ...env, LD_LIBRARY_PATH: paths },
        },
      );
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (text) => {
          output += text;
        });
      }
      await once(child, 'close');
      expect(output).toContain('the disk is full');
      expect(output).toContain('(ERR_TFT_CACHE)');
      expect(output).toContain('status 1');
      expect(output).not.toMatch(/\.(json|tmp|lock)\n/);
    });
  });
});
