// Refusals leave in order, a few in each turn of the event loop.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RefusalPace } from '../../src/service/admission/refusal-pace.js';

test('while clients connect one goes in each turn, and afterwards a few again', async () => {
  const pace = new RefusalPace();
  let gone = 0;
  const waiting = Array.from({ length: 40 }, () => {
    pace.arrived();
    const wait = pace.next();
    if (wait === undefined) gone++;
    return wait?.then(() => {
      gone++;
    });
  });
  expect(gone).toBe(1);
  for (let turns = 0; turns < 10; turns++) {
    const before = gone;
    pace.arrived();
    await turn();
    expect(gone).toBe(before + 1);
  }
  let steps = 0;
  while (gone < 40) {
    await turn();
    steps++;
  }
  await Promise.all(waiting);
  expect(steps).toBeLessThan(10);
  // One arrival slows one turn only.
  pace.arrived();
  await turn();
  await turn();
  const atOnce = Array.from({ length: 8 }, () => pace.next());
  expect(atOnce).toEqual(new Array(8).fill(undefined));
});

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
