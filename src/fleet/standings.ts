// The standing of every server at the newest closed step.
import type { ServerState } from './api.js';
import type { FleetRing } from './memory/ring.js';
import type { Roster } from './memory/roster.js';
import { blocksOf, type Standing, type StandingRules, standingOf, surveyStandings } from './standing.js';

const STATES: readonly ServerState[] = ['warming-up', 'ready', 'stale', 'refused'];

export class Standings {
  readonly #ring: FleetRing;
  readonly #roster: Roster;
  readonly #rules: StandingRules;
  #states = new Uint8Array(0);
  #step = Number.NaN;
  #isKnown = false;

  constructor(ring: FleetRing, roster: Roster, rules: StandingRules) {
    this.#ring = ring;
    this.#roster = roster;
    this.#rules = rules;
  }

  /** From now on the standings are those at this step. They are computed when one is asked for. */
  update(step: number): void {
    this.#step = step;
    this.#isKnown = false;
  }

  #compute(): void {
    const step = this.#step;
    this.#isKnown = true;
    this.#states = new Uint8Array(this.#roster.places);
    for (const [from, to] of blocksOf(this.#states.length)) {
      surveyStandings(this.#ring, step, from, to, this.#rules, (place, { state }) => {
        this.#states[place] = STATES.indexOf(state);
      });
    }
  }

  /** A server that has appeared since then is warming up. */
  state(place: number): ServerState {
    if (!this.#isKnown && !Number.isNaN(this.#step)) this.#compute();
    return STATES[this.#states[place] ?? 0] as ServerState;
  }

  /** The whole standing of a server, recomputed. */
  of(place: number): Standing {
    return standingOf(
      this.#ring,
      Number.isNaN(this.#step) ? this.#ring.open - 1 : this.#step,
      place,
      this.#rules,
    );
  }
}
