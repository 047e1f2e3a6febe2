// Evaluates one forecast under one rule: whether it is across the threshold for long enough, whether it has recovered, and the
// time of the crossing with its interval.
import { interpolate, nearestColumn } from '../../contract/quantiles.js';
import type { Rule } from './rule.js';

/** A forecast of one server, sorted and within its range. */
export interface ServerOutlook {
  readonly server: string;
  readonly profile: string;
  /** The time that it was made at, and of its first step, in milliseconds since 1970. */
  readonly at: number;
  readonly start: number;
  /** `[horizon][quantiles]`, from index `offset` on. */
  readonly values: Float32Array;
  readonly offset: number;
}

export interface OutlookShape {
  readonly stepMs: number;
  readonly horizon: number;
  readonly quantiles: readonly number[];
}

export interface Finding {
  /** The first step of the run that is across long enough; undefined where there is none. */
  readonly first: number | undefined;
  /** Whether every step that counts has recovered, that is, is back beyond the recovery threshold. */
  readonly recovered: boolean;
  /** The most extreme value of the rule's quantile. */
  readonly extreme: number;
}

/** Compares a forecast with a rule. */
export function inspect(rule: Rule, outlook: ServerOutlook, shape: OutlookShape): Finding {
  const { sign, threshold, recover, within, lasting, place } = rule;
  const width = shape.quantiles.length;
  let first: number | undefined;
  let run = 0;
  let recovered = true;
  let extreme = Number.NEGATIVE_INFINITY;
  for (let step = 0; step < within; step++) {
    if (rule.ignores(outlook.start + step * shape.stepMs)) {
      run = 0;
      continue;
    }
    const value = sign * interpolate(outlook.values, outlook.offset + step * width, place);
    if (value > extreme) extreme = value;
    if (value > sign * recover) recovered = false;
    run = value > sign * threshold ? run + 1 : 0;
    if (run === lasting) first ??= step - lasting + 1;
  }
  return { first, recovered, extreme: sign * extreme };
}

/** The first steps at which the forecast is across, as times; undefined where it is not within the horizon. */
export interface CrossingTimes {
  /** By the quantile 0.9 (0.1 for a threshold from below), or the nearest that the model has. */
  readonly earliest: number | undefined;
  readonly likely: number | undefined;
  readonly latest: number | undefined;
}

export function crossingTimes(
  { sign, threshold }: Pick<Rule, 'sign' | 'threshold'>,
  { values, offset, start }: ServerOutlook,
  { quantiles, horizon, stepMs }: OutlookShape,
): CrossingTimes {
  const firstOf = (quantile: number) => {
    const column = nearestColumn(quantiles, quantile);
    for (let step = 0; step < horizon; step++) {
      const value = values[offset + step * quantiles.length + column] as number;
      if (sign * value > sign * threshold) return start + step * stepMs;
    }
    return undefined;
  };
  const [early, late] = sign > 0 ? [0.9, 0.1] : [0.1, 0.9];
  return { earliest: firstOf(early), likely: firstOf(0.5), latest: firstOf(late) };
}
