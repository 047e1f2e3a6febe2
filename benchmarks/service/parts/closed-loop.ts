// A closed loop of callers, each of which sends its next request when it has the answer to the last; and sides that
// take turns, so that whatever else the machine does meets all alike.
import { percentile } from '../../harness.js';

/** What is measured: one call by one of the callers, resolved with its answer. */
export type Call = (caller: number) => Promise<unknown>;

/** What the calls of a side took, over all its turns. */
export interface Times {
  /** Milliseconds of each call. */
  readonly calls: number[];
  /** Calls per second of each turn. */
  readonly rates: number[];
}

/** Milliseconds and calls per second, as they are reported; null where the calls are too few to tell. */
export interface Summary {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number | null;
  readonly p999: number | null;
}

/** Lets so many callers call for so long and then waits for those under way. */
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
 * @param seconds for each side, warm-up excluded.
 * @param around called with each side's name before a turn; what it returns, after it.
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
      // Who goes first changes too.
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
