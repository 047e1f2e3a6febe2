// A few rounds of the seeded simulation; scripts/simulate-service runs it for hours.
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
// @ts-expect-error it runs without TypeScript too
import { cppHost } from '../fixtures/simulation/hosts.mjs';
// @ts-expect-error it runs without TypeScript too
import { simulate } from '../fixtures/simulation/simulate.mjs';
import { cppProgram, isCpp } from './cpp-server.js';
import { hasTls } from './transports.js';

/** A last resort: it takes seconds, on a busy machine minutes. */
const LONG_MS = 600_000;

const PLAIN = ['http', 'socket'];
const WAYS = hasTls ? [...PLAIN, 'https', 'http2'] : PLAIN;

test.each(isCpp ? PLAIN : WAYS)(
  'honest, slow, leaving and hostile clients at once break no invariant: %s',
  async (way) => {
    const figures = await simulate({
      seed: 1,
      lives: 1,
      rounds: 2,
      clients: 25,
      ways: [way],
      ...(isCpp && { host: cppHost(cppProgram) }),
      model: bundles.tiny,
    });
    expect(figures.rounds).toBe(2);
    expect(figures.outcomes.right).toBeGreaterThan(0);
    expect(figures.outcomes.stops).toBe(1);
  },
  LONG_MS,
);
