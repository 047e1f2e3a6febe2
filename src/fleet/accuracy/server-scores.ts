// The scores of each server: its sums by horizon, and which forecast has been the best for it lately.
import { addScore, COMPETING, emptySums, leastLoss, type Score, type Sums } from './sums.js';

interface ServerScores {
  readonly name: string;
  readonly byHorizon: Map<number, Sums>;
  /** Losses of all horizons; their weight halves in a week. */
  readonly recent: Float64Array;
  first: number;
  last: number;
}

export class ServerScoreBook {
  readonly #servers: (ServerScores | undefined)[] = [];
  readonly #day: number;
  readonly #halfLife: number;

  /** @param day the steps of a day. */
  constructor(day: number) {
    this.#day = day;
    this.#halfLife = 7 * day;
  }

  /** Steps may come in any order. @param name the server that has the place now: if it is another one than before, its scores begin at zero. */
  add(place: number, name: string, step: number, horizon: number, score: Score): void {
    let scores = this.#servers[place];
    if (scores?.name !== name) {
      scores = {
        name,
        byHorizon: new Map(),
        recent: new Float64Array(COMPETING),
        first: step,
        last: step,
      };
      this.#servers[place] = scores;
    }
    let sums = scores.byHorizon.get(horizon);
    if (sums === undefined) {
      sums = emptySums();
      scores.byHorizon.set(horizon, sums);
    }
    addScore(sums, score);
    const newest = Math.max(step, scores.last);
    const weightOf = (time: number) => 0.5 ** ((newest - time) / this.#halfLife);
    const [kept, added] = [weightOf(scores.last), weightOf(step)];
    for (let index = 0; index < COMPETING; index++) {
      scores.recent[index] =
        (scores.recent[index] as number) * kept + (score.losses[index] as number) * added;
    }
    scores.first = Math.min(step, scores.first);
    scores.last = newest;
  }

  /** Goes back to an earlier step after the clock was wrong. */
  rewind(step: number): void {
    for (const scores of this.#servers) {
      if (scores === undefined) continue;
      scores.first = Math.min(step, scores.first);
      scores.last = Math.min(step, scores.last);
    }
  }

  of(place: number): ReadonlyMap<number, Sums> | undefined {
    return this.#servers[place]?.byHorizon;
  }

  /** The competitor with the smallest recent loss; 0, the model, also for a tie and until the scores span a day. */
  best(place: number): number {
    const scores = this.#servers[place];
    if (scores === undefined || scores.last - scores.first < this.#day) return 0;
    return leastLoss(scores.recent, 0);
  }
}
