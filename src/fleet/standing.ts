// The standing of each server: whether it can be forecast at a step, and if not, why.
import type { ServerState } from './api.js';
import { BLOCK_SERVERS } from './memory/block.js';
import type { FleetRing } from './memory/ring.js';
import { surveyWindows } from './memory/survey.js';

/** The conditions for forecasting a server. */
export interface StandingRules {
  /** Steps from the first measured one on, before a server is forecast for the first time. */
  readonly warmUpSteps: number;
  /** Whether servers are forecast even if most of their window was filled. */
  readonly allowSparse: boolean;
}

export interface Standing {
  readonly state: ServerState;
  /** Whether a forecast can be made. */
  readonly canForecast: boolean;
  /** The first step of the window that counts, from its beginning: see surveyWindows. */
  readonly first: number;
  /** How many of the window's steps were not measured. */
  readonly filledSteps: number;
}

/** The same limit as for a history file: models are not trained on rows further apart. */
const MAX_STEPS_APART = 3;

/** Calls back with each server's standing at the step `end`, for the places from `from` up to `to` of one block. */
export function surveyStandings(
  ring: FleetRing,
  end: number,
  from: number,
  to: number,
  rules: StandingRules,
  visit: (place: number, standing: Standing) => void,
): void {
  const { window, maxGap } = ring.shape;
  const { first, measured, missing } = surveyWindows(ring, end, from, to);
  for (let index = 0; index < to - from; index++) {
    const start = first[index] as number;
    const filledSteps = window - (measured[index] as number);
    const known = window - start;
    let state: ServerState = 'ready';
    let canForecast = true;
    if (start >= window) {
      state = 'warming-up';
      canForecast = false;
    } else if ((missing[index] as number) > maxGap) {
      state = 'stale';
      canForecast = false;
    } else if (!rules.allowSparse && (measured[index] as number) * MAX_STEPS_APART < known) {
      state = 'refused';
      canForecast = false;
    } else if (start > 0) {
      state = 'warming-up';
      canForecast = known >= rules.warmUpSteps;
    }
    visit(from + index, { state, canForecast, first: start, filledSteps });
  }
}

/** The standing of one server. */
export function standingOf(ring: FleetRing, end: number, place: number, rules: StandingRules): Standing {
  let found: Standing | undefined;
  surveyStandings(ring, end, place, place + 1, rules, (_place, standing) => {
    found = standing;
  });
  return found as Standing;
}

/** The blocks of the places before `count`: pairs of the first place and the one after the last. */
export function* blocksOf(count: number): Generator<[number, number]> {
  for (let from = 0; from < count; from += BLOCK_SERVERS) yield [from, Math.min(count, from + BLOCK_SERVERS)];
}
