// Some of the file calls of a service fail, as scripts/inject-faults lets each of them do in turn.
import { expect, test } from 'vitest';
// @ts-expect-error it runs without TypeScript too
import { liveWith, makeFaults } from '../fixtures/faults/faults.mjs';

/** A last resort, longer than that of the service's own life. */
const LONG_MS = 600_000;

interface Life {
  readonly outcome: string;
  readonly status: number;
  readonly calls: number;
}
interface Fault {
  readonly call?: number;
  readonly error?: string;
  readonly after?: boolean;
}

test(
  'a service whose files fail ends with a reason, or serves right forecasts',
  async (context) => {
    const made = makeFaults();
    if (made === undefined) return context.skip('Linux with cc and openssl is needed');
    const live = liveWith as (where: typeof made, fault: Fault) => Promise<Life>;
    try {
      const { calls } = await live(made, {});
      // From the socket's mode on, in the middle of loading, and in that of a reload.
      for (const call of [12, 13, Math.round(0.25 * calls), Math.round(0.4 * calls)]) {
        const { outcome, status } = await live(made, { call, error: 'ENOSPC', after: true });
        expect(status).toBe(outcome === 'did not start' ? 1 : 0);
      }
      for (const [call, error] of [
        [12, 'EIO'],
        [Math.round(0.35 * calls), 'EMFILE'],
      ] as const) {
        await live(made, { call, error });
      }
    } finally {
      made.remove();
    }
  },
  LONG_MS,
);
