// A few rounds of the seeded simulation; scripts/simulate-service runs it for hours.
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
// @ts-expect-error it runs without TypeScript too
import { simulate } from '../fixtures/service-simulation.mjs';

test.each([1, 2])(
  'honest, slow, leaving and hostile clients at once break no invariant: seed %d',
  async (seed) => {
    const { rounds, outcomes } = await simulate({ seed, rounds: 3, clients: 25, model: bundles.tiny });
    expect(rounds).toBe(3);
    expect(outcomes.right).toBeGreaterThan(0);
  },
);
