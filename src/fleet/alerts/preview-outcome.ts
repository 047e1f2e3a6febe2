// Judges an alert of a preview by the measurements that followed it.
import { quantilesOf } from '../../judging/index.js';
import type { Rule } from './rule.js';

export interface PreviewFiring {
  readonly rule: Rule;
  readonly server: string;
  /** The first forecast step when it fired, and when it ended. */
  readonly step: number;
  until: number;
  /** The time of the first forecast step when it fired. */
  readonly at: Date;
  readonly text: string;
}

export type Outcome =
  | {
      readonly kind: 'right' /** Steps from firing to crossing; 0 where it was across already. */;
      readonly lead: number;
    }
  | { readonly kind: 'false' }
  | { readonly kind: 'undecided' };

/** One rule over a history. */
export interface RulePreview {
  readonly rule: string;
  readonly severity: string;
  readonly threshold: number;
  readonly fired: number;
  readonly right: number;
  readonly falseAlarms: number;
  /** The history ended before the outcome was known. */
  readonly undecided: number;
  /** The median of the minutes between firing and crossing, of right ones; null without any. */
  readonly minutesAhead: number | null;
  readonly falseAlarmsPerServerWeek: number;
  /** How often the measured target crossed the threshold, and how often no alert was firing then. */
  readonly episodes: number;
  readonly missed: number;
  readonly firings: readonly {
    readonly server: string;
    readonly step: number;
    /** The first step of the forecast with which it fired. */
    readonly at: Date;
    readonly outcome: Outcome['kind'];
    readonly minutesAhead: number | null;
    readonly text: string;
  }[];
}

/** A server's measured target by step, in order. */
export class MeasuredSeries {
  readonly #steps: number[] = [];
  readonly #values: number[] = [];

  add(step: number, value: number): void {
    this.#steps.push(step);
    this.#values.push(value);
  }

  get newest(): number {
    return this.#steps.at(-1) ?? Number.NEGATIVE_INFINITY;
  }

  /** The first step from `from` up to `to` at which it is across for long enough; undefined where there is none. */
  crossing({ sign, threshold, lasting }: Rule, from: number, to: number): number | undefined {
    let run = 0;
    let before = Number.NaN;
    for (let index = this.#find(from); index < this.#steps.length; index++) {
      const step = this.#steps[index] as number;
      if (step >= to) return undefined;
      const across = sign * (this.#values[index] as number) > sign * threshold;
      run = across ? (step === before + 1 ? run + 1 : 1) : 0;
      before = step;
      if (run >= lasting) return step - lasting + 1;
    }
    return undefined;
  }

  /** The steps at which it goes across, from `from` up to `to`, after having been back. */
  episodes(rule: Rule, from: number, to: number): number[] {
    const { sign, recover } = rule;
    const found: number[] = [];
    let at: number | undefined = from;
    while (at !== undefined && at < to) {
      const begin = this.crossing(rule, at, to);
      if (begin === undefined) break;
      found.push(begin);
      at = undefined;
      for (let index = this.#find(begin); index < this.#steps.length; index++) {
        if (sign * (this.#values[index] as number) > sign * recover) continue;
        at = this.#steps[index] as number;
        break;
      }
    }
    return found;
  }

  /** The first index whose step is not before. */
  #find(step: number): number {
    let low = 0;
    let high = this.#steps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#steps[middle] as number) < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether the target was across within the rule's `within` after it fired; the step before counts as 'already across'. */
export function outcomeOf({ rule, step }: PreviewFiring, measured: MeasuredSeries): Outcome {
  const crossed = measured.crossing(rule, step - rule.lasting, step + rule.within);
  if (crossed !== undefined) return { kind: 'right', lead: Math.max(0, crossed - step) };
  return measured.newest < step + rule.within - 1 ? { kind: 'undecided' } : { kind: 'false' };
}

/** The measurements that a rule is compared with. */
export interface PreviewFacts {
  readonly episodes: readonly { readonly server: string; readonly step: number }[];
  /** The alerts that count as warnings of an episode. */
  readonly covering: readonly PreviewFiring[];
  /** Of all servers together. */
  readonly minutes: number;
  readonly stepMinutes: number;
}

export function summarise(
  rule: Rule,
  firings: readonly PreviewFiring[],
  outcomes: readonly Outcome[],
  { episodes, covering, minutes, stepMinutes }: PreviewFacts,
): RulePreview {
  const leads = outcomes.flatMap((outcome) => (outcome.kind === 'right' ? [outcome.lead * stepMinutes] : []));
  const count = (kind: Outcome['kind']) => outcomes.filter((outcome) => outcome.kind === kind).length;
  const missed = episodes.filter(
    ({ server, step }) =>
      !covering.some((firing) => firing.server === server && firing.step <= step && step < firing.until),
  );
  const weeks = minutes / (7 * 1440);
  return {
    rule: rule.name,
    severity: rule.severity,
    threshold: rule.threshold,
    fired: firings.length,
    right: count('right'),
    falseAlarms: count('false'),
    undecided: count('undecided'),
    minutesAhead: leads.length === 0 ? null : (quantilesOf(leads, [0.5])[0] as number),
    falseAlarmsPerServerWeek: weeks === 0 ? 0 : count('false') / weeks,
    episodes: episodes.length,
    missed: missed.length,
    firings: firings.map(({ server, step, at, text }, index) => {
      const outcome = outcomes[index] as Outcome;
      const minutesAhead = outcome.kind === 'right' ? outcome.lead * stepMinutes : null;
      return { server, step, at, outcome: outcome.kind, minutesAhead, text };
    }),
  };
}
