// Some steps of the daemon's seeded simulation; scripts/simulate-fleet runs it for hours.
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
// @ts-expect-error it runs without TypeScript too
import { simulateFleet } from '../fixtures/simulation/fleet.mjs';

test('whatever servers send, memory, counts and forecasts are what was accepted, also after ends, crashes and faults', async () => {
  const counts = await simulateFleet({ seed: 1, steps: 150, model: bundles.tiny });
  expect(counts.steps).toBe(150);
  expect(counts.forecasts).toBeGreaterThan(100);
  for (const what of ['starts', 'leaps', 'expired', 'faults']) expect(counts[what], what).toBeGreaterThan(0);
});
