// src/judging against vectors that test/fixtures/judging/make_vectors.py works out with NumPy alone. The Python side passes the
// same files.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Choice,
  disorderOf,
  gainInterval,
  gainOf,
  isHeld,
  Judge,
  NAIVE_NAMES,
  naiveForecasts,
  pinballLoss,
  type Regime,
  ResolutionFinder,
  RollingNaive,
  regimeOf,
} from '../../src/judging/index.js';

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/judging/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** Numbers within a billionth, everything else equal. */
function close(found: unknown, expected: unknown, path = ''): void {
  if (typeof expected === 'number' && typeof found === 'number') {
    expect(Math.abs(found - expected), `${path}: ${found}, not ${expected}`).toBeLessThan(1e-9);
  } else if (typeof expected === 'object' && expected !== null) {
    for (const [key, value] of Object.entries(expected)) {
      close((found as Record<string, unknown>)[key], value, `${path}.${key}`);
    }
    if (Array.isArray(expected)) expect(found, path).toHaveLength(expected.length);
  } else {
    expect(found, path).toEqual(expected);
  }
}

interface Ranged {
  minimum?: number;
  maximum?: number;
}

const rangeOf = ({ minimum, maximum }: Ranged) => ({
  minimum: minimum ?? undefined,
  maximum: maximum ?? undefined,
});

describe('the judging vectors', () => {
  it('hold for the pinball loss', () => {
    for (const { forecast, quantiles, measured, expected } of vectors<
      { forecast: number[]; quantiles: number[]; measured: number; expected: number }[]
    >('pinball')) {
      close(pinballLoss(forecast, 0, quantiles, measured), expected);
    }
  });

  it('hold for coverage at the resolution of a recording', () => {
    for (const { low, high, measured, resolution, expected } of vectors<
      { low: number; high: number; measured: number; resolution: number; expected: boolean }[]
    >('held')) {
      expect(isHeld(low, high, measured, resolution)).toBe(expected);
    }
    for (const { series, expected, ...range } of vectors<({ series: number[]; expected: number } & Ranged)[]>(
      'resolution',
    )) {
      const finder = new ResolutionFinder();
      for (const [at, value] of series.entries()) if (at > 0) finder.add(value - (series[at - 1] as number));
      close(finder.find(rangeOf(range)), expected);
    }
  });

  it('hold for crossed quantiles and values out of range', () => {
    for (const { forecast, expected, ...range } of vectors<
      ({ forecast: number[][]; expected: object } & Ranged)[]
    >('disorder')) {
      expect(disorderOf(forecast.flat(), 3, rangeOf(range))).toEqual(expected);
    }
  });

  it('hold for the naive forecasts, made at once or value by value', () => {
    for (const { past, expected, minimum, maximum, ...shape } of vectors<
      ({
        past: number[];
        encoder: number;
        horizon: number;
        day: number;
        quantiles: number[];
        expected: Record<string, number[][]>;
      } & Ranged)[]
    >('naive')) {
      const full = { ...shape, range: { minimum, maximum } };
      const wanted = NAIVE_NAMES.map((name) => (expected[name] as number[][]).flat());
      close(
        naiveForecasts(past, full).map((values) => [...values]),
        wanted,
      );
      const rolling = new RollingNaive(full);
      for (const value of past) rolling.push(value);
      close(
        rolling.forecasts().map((values) => [...values]),
        wanted,
      );
    }
  });

  it('hold for the regimes', () => {
    for (const { name, past, day, expected, ...range } of vectors<
      ({ name: string; past: number[]; day: number; expected: string } & Ranged)[]
    >('regime')) {
      expect(regimeOf(past, day, rangeOf(range)), name).toBe(expected);
    }
  });

  it('hold for the bootstrap over machines', () => {
    for (const { losses, seed, rounds, gain, interval } of vectors<
      { losses: [number, number][]; seed: number; rounds: number; gain: number; interval: number[] | null }[]
    >('bootstrap')) {
      const pairs = losses.map(([model, naive]) => ({ model, naive }));
      close(gainOf(pairs), gain);
      close(gainInterval(pairs, seed, rounds), interval);
    }
  });

  it('hold for the choice among forecasts', () => {
    for (const { horizon, day, windows, ask, expected } of vectors<
      {
        horizon: number;
        day: number;
        windows: { origin: number; losses: number[] }[];
        ask: number[];
        expected: number[];
      }[]
    >('choice')) {
      const choice = new Choice({ horizon, day });
      const waiting = [...windows];
      const found = ask.map((origin) => {
        const chosen = choice.at(origin);
        // What is scored at an origin is known of later ones only.
        if (waiting[0]?.origin === origin) {
          const { losses } = waiting.shift() as (typeof windows)[0];
          choice.scored(origin, losses);
        }
        return chosen;
      });
      expect(found).toEqual(expected);
      expect(new Set(expected).size).toBeGreaterThan(1);
    }
  });

  it('hold for a whole table', () => {
    const { shape, windows, expected } = vectors<{
      shape: { stepMinutes: number; horizon: number; day: number; quantiles: number[]; resolution: number };
      windows: {
        machine: string;
        origin: number;
        measured: (number | null)[];
        model: number[][];
        naive: number[][][];
        regime: Regime;
      }[];
      expected: { naiveShare: Record<string, number> };
    }>('judge');
    const judge = new Judge({ ...shape, range: { minimum: 0, maximum: 100 } });
    for (const { machine, measured, model, naive, ...window } of windows) {
      judge.add(machine, {
        ...window,
        measured: measured.map((value) => value ?? Number.NaN),
        model: model.flat(),
        naive: naive.map((values) => values.flat()),
      });
    }
    const found = judge.result();
    const { naiveShare, ...table } = expected;
    close(found, table);
    close(
      Object.fromEntries(found?.servers.map(({ machine, naiveShare }) => [machine, naiveShare]) ?? []),
      naiveShare,
    );
    expect(Math.max(...Object.values(naiveShare))).toBeGreaterThan(0);
  });
});

describe('naive forecasts value by value', () => {
  it('are those made at once, for any series and sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 90 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 8 }),
        (past, encoder, horizon, day) => {
          const shape = { encoder, horizon, day, quantiles: [0.1, 0.5, 0.98], range: { minimum: -4 } };
          const rolling = new RollingNaive(shape);
          for (const value of past) rolling.push(value);
          close(
            rolling.forecasts().map((values) => [...values]),
            naiveForecasts(past, shape).map((values) => [...values]),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a choice', () => {
  it('does not know how a window went before the window has ended', () => {
    const choice = new Choice({ horizon: 4, day: 2 });
    for (const origin of [0, 1, 2]) choice.scored(origin, [1, 0]);
    expect([4, 5].map((origin) => choice.at(origin))).toEqual([0, 0]);
    expect(choice.at(6)).toBe(1);
  });
});
