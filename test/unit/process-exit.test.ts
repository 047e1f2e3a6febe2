// A process may end at any moment, in any way, without a crash: real programs, ended at seeded random moments
// while a model loads or runs. Their exit code must be theirs, and they must not say a word on stderr.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/program.mjs', import.meta.url));

interface Ended {
  code: number | NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function run(bundle: string, ending: string, milliseconds: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, bundle, ending, String(milliseconds)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (text) => {
      ended.stdout += text;
    });
    child.stderr.on('data', (text) => {
      ended.stderr += text;
    });
    child.on('error', reject);
    // 'close' waits for the pipes, and so for any process left behind that holds them.
    child.on('close', (code, signal) => resolve({ ...ended, code: code ?? signal }));
  });
}

/** Seeded moments: some while the model loads, most while it runs. */
function moments(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 48_271) >>> 0) % 0x7fffffff;
    return state % 400;
  });
}

/** Two at a time: as many as the smallest machine has processors. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const take = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item);
  };
  await Promise.all([take(), take()]);
}

test('process.exit() with work in flight', async () => {
  await each(moments(14, 1), async (moment) => {
    const ended = await run(bundles.slow, 'exit', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});

test('process.exit() between many short runs', async () => {
  await each(moments(10, 2), async (moment) => {
    const ended = await run(bundles.tiny, 'exit', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});

test('process.exit() again, inside a listener for the exit', async () => {
  const ended = await run(bundles.slow, 'exit from an exit listener', 250);
  expect(ended).toEqual({ code: 3, stdout: '', stderr: '' });
});

test.each(['throw', 'reject'])('an uncaught error: %s', async (ending) => {
  await each(moments(5, 3), async (moment) => {
    const { code, stderr } = await run(bundles.slow, ending, moment);
    expect({ moment, code }).toEqual({ moment, code: 1 });
    expect(stderr).toContain('Error: a mistake of the user');
    expect(stderr).not.toMatch(/terminate|Napi|abort|core dumped/i);
  });
});

test('a signal', async () => {
  await each(moments(3, 4), async (moment) => {
    expect(await run(bundles.slow, 'signal', moment)).toEqual({ code: 'SIGTERM', stdout: '', stderr: '' });
  });
});

test('a program that just ends, with an engine open', async () => {
  const ended = await run(bundles.tiny, 'end with an open engine', 0);
  expect(ended).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('a program that ends without waiting gets its answer first', async () => {
  const ended = await run(bundles.slow, 'end without waiting', 0);
  expect(ended).toEqual({ code: 0, stdout: 'forecast for 1\n', stderr: '' });
});

test('a program that ends without waiting for close', async () => {
  const ended = await run(bundles.slow, 'end without waiting for close', 0);
  expect(ended).toEqual({ code: 0, stdout: 'closed\n', stderr: '' });
});

test("an engine in a thread of the user's that is terminated", async () => {
  await each(moments(8, 5), async (moment) => {
    const ended = await run(bundles.slow, 'end a thread', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 0, stdout: 'terminated\n', stderr: '' });
  });
});

test("process.exit() while a thread of the user's has an engine at work", async () => {
  await each(moments(5, 6), async (moment) => {
    const ended = await run(bundles.slow, 'exit beside a thread', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});
