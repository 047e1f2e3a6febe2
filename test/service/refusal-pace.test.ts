// Refusals leave in order, a few in each turn of the event loop.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RefusalPace } from '../../src/service/admission/refusal-pace.js';

test('a few go at once, the others in order, a few in each turn of the event loop', async () => {
  const pace = new RefusalPace();
  const gone: number[] = [];
  const waiting = Array.from({ length: 30 }, (_, index) => {
    const wait = pace.next();
    if (wait === undefined) gone.push(index);
    return wait?.then(() => gone.push(index));
  });
  const counts = [gone.length];
  while (gone.length < 30) {
    await turn();
    counts.push(gone.length);
  }
  await Promise.all(waiting);
  expect(gone).toEqual(Array.from({ length: 30 }, (_, index) => index));
  const steps = counts.map((count, index) => count - (counts[index - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(8);
  // Nothing is kept of what is over: the next ones go at once again.
  await turn();
  await turn();
  expect(pace.next()).toBeUndefined();
});
