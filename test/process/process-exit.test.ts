// A process may end at any moment, in any way, without a crash: real programs, ended at seeded random moments
// while a model loads or runs. Their exit code must be theirs, and they must not say a word on stderr.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
import { moments, runNode, twoAtATime } from '../fixtures/programs.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/program.mjs', import.meta.url));

const run = (bundle: string, ending: string, milliseconds: number) =>
  runNode([PROGRAM, bundle, ending, String(milliseconds)]);

/** Some while the model loads, most while it runs. */
const MAX_MOMENT_MS = 400;

test('process.exit() with work in flight', async () => {
  await twoAtATime(moments(14, 1, MAX_MOMENT_MS), async (moment) => {
    const ended = await run(bundles.slow, 'exit', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});

test('process.exit() between many short runs', async () => {
  await twoAtATime(moments(10, 2, MAX_MOMENT_MS), async (moment) => {
    const ended = await run(bundles.tiny, 'exit', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});

test('process.exit() again, inside a listener for the exit', async () => {
  const ended = await run(bundles.slow, 'exit from an exit listener', 250);
  expect(ended).toEqual({ code: 3, stdout: '', stderr: '' });
});

test.each(['throw', 'reject'])('an uncaught error: %s', async (ending) => {
  await twoAtATime(moments(5, 3, MAX_MOMENT_MS), async (moment) => {
    const { code, stderr } = await run(bundles.slow, ending, moment);
    expect({ moment, code }).toEqual({ moment, code: 1 });
    expect(stderr).toContain('Error: a mistake of the user');
    expect(stderr).not.toMatch(/terminate|Napi|abort|core dumped/i);
  });
});

test('a signal', async () => {
  await twoAtATime(moments(3, 4, MAX_MOMENT_MS), async (moment) => {
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
  await twoAtATime(moments(8, 5, MAX_MOMENT_MS), async (moment) => {
    const ended = await run(bundles.slow, 'end a thread', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 0, stdout: 'terminated\n', stderr: '' });
  });
});

test("process.exit() while a thread of the user's has an engine at work", async () => {
  await twoAtATime(moments(5, 6, MAX_MOMENT_MS), async (moment) => {
    const ended = await run(bundles.slow, 'exit beside a thread', moment);
    expect({ moment, ...ended }).toEqual({ moment, code: 3, stdout: '', stderr: '' });
  });
});
