// Bootstrap intervals over machines: the windows of one machine resemble each other, so whole machines are drawn.
import { quantileOfSorted } from './quantile.js';

/** The losses of the model and of the naive forecast on one machine, summed over the judged windows. */
export interface PairedLoss {
  readonly model: number;
  readonly naive: number;
}

export const ROUNDS = 2_000;
const LOW = 0.025;
const HIGH = 0.975;
/** An interval over fewer machines is meaningless. */
const MIN_MACHINES = 3;

/** The share of the naive loss that the model saves; null if the naive loss is 0. */
export function gainOf(losses: readonly PairedLoss[]): number | null {
  const model = losses.reduce((sum, loss) => sum + loss.model, 0);
  const naive = losses.reduce((sum, loss) => sum + loss.naive, 0);
  return naive === 0 ? null : 1 - model / naive;
}

/**
 * The 95 % percentile interval of {@link gainOf} (Efron 1979): machines are drawn with replacement, as many as there are.
 *
 * @returns null for fewer than 3 machines.
 */
export function gainInterval(
  losses: readonly PairedLoss[],
  seed = 1,
  rounds = ROUNDS,
): readonly [number, number] | null {
  if (losses.length < MIN_MACHINES) return null;
  const random = mulberry32(seed);
  const gains = new Float64Array(rounds);
  for (let round = 0; round < rounds; round++) {
    let [model, naive] = [0, 0];
    for (let draw = 0; draw < losses.length; draw++) {
      const drawn = losses[Math.floor(random() * losses.length)] as PairedLoss;
      model += drawn.model;
      naive += drawn.naive;
    }
    gains[round] = naive === 0 ? 0 : 1 - model / naive;
  }
  gains.sort();
  return [quantileOfSorted(gains, LOW), quantileOfSorted(gains, HIGH)];
}

/** Tommy Ettinger's mulberry32: 32 bits of state, the same in every language. Numbers from 0 up to 1. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
