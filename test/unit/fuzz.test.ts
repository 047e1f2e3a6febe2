// What fuzzing has found worth keeping is read again, and changed a little; scripts/fuzz goes on from there.
import { expect, test } from 'vitest';
// @ts-expect-error it runs without TypeScript too
import { fuzzBlindly, keptCorpus } from '../fuzz/fuzz.mjs';
// @ts-expect-error it runs without TypeScript too
import { targets } from '../fuzz/targets.mjs';

test.each(targets as { name: string }[])(
  'whatever bytes come, $name is read or refused with a reason',
  async (target) => {
    expect(keptCorpus(target).length).toBeGreaterThan(0);
    await fuzzBlindly(target, { seed: 1, runs: 200 });
  },
);
