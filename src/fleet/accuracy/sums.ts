// Sums of losses of the daemon's forecasts: by profile, horizon and day, so that old days can be dropped, and by server.
import { NAIVE_NAMES } from '../../judging/index.js';
import type { AccuracyHorizon } from '../api.js';

/** The model and the naive forecasts. */
export const COMPETING = 1 + NAIVE_NAMES.length;

/** One scored forecast: the loss of each competitor, the model first, and whether the model's 80 % band held. */
export interface Score {
  readonly losses: readonly number[];
  readonly held: boolean;
}

export interface Sums {
  count: number;
  held: number;
  readonly losses: number[];
}

export function emptySums(): Sums {
  return { count: 0, held: 0, losses: new Array<number>(COMPETING).fill(0) };
}

export function addScore(sums: Sums, { losses, held }: Score): void {
  sums.count++;
  if (held) sums.held++;
  for (let index = 0; index < COMPETING; index++) {
    sums.losses[index] = (sums.losses[index] as number) + (losses[index] as number);
  }
}

export function addSums(to: Sums, from: Sums): void {
  to.count += from.count;
  to.held += from.held;
  for (let index = 0; index < COMPETING; index++) {
    to.losses[index] = (to.losses[index] as number) + (from.losses[index] as number);
  }
}

/** The position of the competitor with the least loss, from `first` on. */
export function leastLoss(losses: ArrayLike<number>, first: number): number {
  let best = first;
  for (let index = first; index < COMPETING; index++) {
    if ((losses[index] as number) < (losses[best] as number)) best = index;
  }
  return best;
}

/** The figures that the interfaces show. */
export function shown(sums: Sums, horizonMinutes: number, banded: boolean): AccuracyHorizon {
  const { count, held, losses } = sums;
  if (count === 0) {
    return { horizonMinutes, count, pinball: null, naivePinball: null, naive: null, coverage80: null };
  }
  const best = leastLoss(losses, 1);
  return {
    horizonMinutes,
    count,
    pinball: (losses[0] as number) / count,
    naivePinball: (losses[best] as number) / count,
    naive: NAIVE_NAMES[best - 1] ?? null,
    coverage80: banded ? held / count : null,
  };
}

/** Of each day: profile, then horizon, then sums. */
export type DayRecord = readonly (readonly [
  day: number,
  profiles: readonly (readonly [
    profile: string,
    horizons: readonly (readonly [steps: number, sums: Sums])[],
  ])[],
])[];

/** Sums by day, profile and horizon. */
export class DailySums {
  readonly #days = new Map<number, Map<string, Map<number, Sums>>>();
  readonly #kept: number;

  /** @param kept how many days are kept. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  add(day: number, profile: string, horizon: number, score: Score): void {
    let profiles = this.#days.get(day);
    if (profiles === undefined) {
      profiles = new Map();
      this.#days.set(day, profiles);
      for (const old of this.#days.keys()) if (old <= day - this.#kept) this.#days.delete(old);
    }
    let horizons = profiles.get(profile);
    if (horizons === undefined) {
      horizons = new Map();
      profiles.set(profile, horizons);
    }
    let sums = horizons.get(horizon);
    if (sums === undefined) {
      sums = emptySums();
      horizons.set(horizon, sums);
    }
    addScore(sums, score);
  }

  get oldest(): number | undefined {
    return this.#days.size === 0 ? undefined : Math.min(...this.#days.keys());
  }

  get profiles(): string[] {
    return [...new Set([...this.#days.values()].flatMap((profiles) => [...profiles.keys()]))].sort();
  }

  /** The sums from a day on; of one profile or of all. */
  total(horizon: number, profile?: string, since = Number.NEGATIVE_INFINITY): Sums {
    const total = emptySums();
    for (const [day, profiles] of this.#days) {
      if (day < since) continue;
      for (const [name, horizons] of profiles) {
        const sums = horizons.get(horizon);
        if (sums !== undefined && (profile === undefined || name === profile)) addSums(total, sums);
      }
    }
    return total;
  }

  record(): DayRecord {
    return [...this.#days].map(([day, profiles]) => [
      day,
      [...profiles].map(([profile, horizons]) => [profile, [...horizons]] as const),
    ]);
  }

  restore(record: DayRecord): void {
    for (const [day, profiles] of record) {
      this.#days.set(day, new Map(profiles.map(([profile, horizons]) => [profile, new Map(horizons)])));
    }
  }
}
