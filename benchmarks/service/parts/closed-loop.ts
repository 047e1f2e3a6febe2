// A closed loop of callers: each sends its next request when it has the response to the last. The sides take turns, so that
// other load on the machine affects all alike.
import { percentile } from '../../harness.js';

/** A call by one of the callers, which is timed until it resolves with its result. */
export type Call = (caller: number) => Promise<unknown>;

/** The times of a side's calls over all its turns. */
export interface Times {
  /** Milliseconds of each call. */
  readonly calls: number[];
  /** Calls per second of each turn. */
  readonly rates: number[];
}

/** Milliseconds and calls per second as reported; null if there are too few calls. */
export interface Summary {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number | null;
  readonly p999: number | null;
}

/** Runs `callers` callers for `milliseconds`, then waits for their last calls. */
async function loop(call: Call, callers: number, milliseconds: number, times: Times): Promise<void> {
  const begin = performance.now();
  const end = begin + milliseconds;
  let count = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < end) {
        const start = performance.now();
        await call(caller);
        times.calls.push(performance.now() - start);
        count++;
      }
    }),
  );
  times.rates.push((count * 1000) / (performance.now() - begin));
}

/**
 * Measures several sides in turns, each with the same callers.
 *
 * @param seconds the time for each side, without the warm-up.
 * @param around called with a side's name before its turn; the function that it returns is called after the turn.
 */
export async function inTurnsOf<Name extends string>(
  sides: Readonly<Record<Name, Call>>,
  { callers, seconds, turnSeconds = 1 }: { callers: number; seconds: number; turnSeconds?: number },
  around: (side: Name) => Promise<() => Promise<void>> = async () => async () => {},
): Promise<Record<Name, Times>> {
  const names = Object.keys(sides) as Name[];
  const times = Object.fromEntries(
    names.map((name) => [name, { calls: [], rates: [] }]),
  ) as unknown as Record<Name, Times>;
  const turnMs = Math.min(turnSeconds, seconds) * 1000;
  for (const name of names) await loop(sides[name], callers, turnMs / 2, { calls: [], rates: [] });
  const turns = Math.max(1, Math.round((seconds * 1000) / turnMs));
  for (let turn = 0; turn < turns; turn++) {
    for (let i = 0; i < names.length; i++) {
      // The order alternates too.
      const name = names[(i + turn) % names.length] as Name;
      const after = await around(name);
      await loop(sides[name], callers, turnMs, times[name]);
      await after();
    }
  }
  return times;
}

/** The figures of a side. */
export function summary({ calls, rates }: Times): Summary {
  return {
    calls: calls.length,
    perSecond: percentile(rates, 0.5),
    p50: percentile(calls, 0.5),
    p99: calls.length < 100 ? null : percentile(calls, 0.99),
    p999: calls.length < 1000 ? null : percentile(calls, 0.999),
  };
}
