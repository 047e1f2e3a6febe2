// Takes samples of all sources into the history: checks time and values, and counts the outcome of each.
import type { Category } from '../../contract/model.js';
import { CategoryCodes } from '../../history/category-codes.js';
import type { IngestionCounters } from '../api.js';
import type { Clock } from '../clock.js';
import type { FleetRing } from '../memory/ring.js';
import { Roster } from '../memory/roster.js';
import { type FleetModel, stepOf } from '../memory/shape.js';
import type { StoredServer } from '../store/store.js';

/** The outcome of a sample. */
export type Outcome = 'accepted' | 'repeated' | 'tooOld' | 'future' | 'invalid' | 'flooded' | 'elsewhere';

/** A sample of one server at one time. */
export interface Sample {
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** In the model's order of metrics; NaN for a metric that is missing. The array is not kept. */
  readonly values: ArrayLike<number>;
  /** In the model's order of categories; undefined for a category that is missing. */
  readonly categories: readonly (string | undefined)[];
  /** Whether it has all of a server's metrics at that time, so that a second one with the same time is a repetition. */
  readonly isRecord: boolean;
}

/** Gets every accepted sample before it counts as accepted. */
export interface SampleLog {
  append(place: number, server: StoredServer, sample: Sample, codes: Int32Array, isLate: boolean): void;
  /** Resolves when everything appended is durable. */
  flushed(): Promise<void>;
}

export interface IntakeOptions {
  readonly clock: Clock;
  /** How far ahead of the clock a sample may be, in milliseconds. */
  readonly futureMs: number;
  /** Whether a server belongs to this shard. */
  readonly isMine: (server: string) => boolean;
  readonly log?: SampleLog | undefined;
}

const LARGEST = 3.4028234663852886e38;
const MAX_TIME = 8.64e15;

export class Intake {
  readonly #ring: FleetRing;
  readonly #roster: Roster;
  readonly #options: IntakeOptions;
  readonly #categories: CategoryCodes;
  readonly #profile: number;
  readonly #status: number;
  readonly #codes: Int32Array;
  readonly #counters: { -readonly [K in keyof IngestionCounters]: number } = {
    accepted: 0,
    merged: 0,
    late: 0,
    repeated: 0,
    tooOld: 0,
    future: 0,
    invalid: 0,
    flooded: 0,
  };
  /** Closed steps that got late samples: they must be stored again. */
  readonly #lateSteps = new Set<number>();

  constructor(model: FleetModel, ring: FleetRing, roster: Roster, options: IntakeOptions) {
    this.#ring = ring;
    this.#roster = roster;
    this.#options = options;
    this.#categories = new CategoryCodes(model.categories);
    this.#profile = indexOf(model.categories, 'profile');
    this.#status = indexOf(model.categories, 'status');
    this.#codes = new Int32Array(model.categories.length);
  }

  get counters(): IngestionCounters {
    return { ...this.#counters };
  }

  /** The steps that late samples have changed since the last call. */
  takeLateSteps(): number[] {
    const steps = [...this.#lateSteps].sort((a, b) => a - b);
    this.#lateSteps.clear();
    return steps;
  }

  /** Takes a sample. Only its numbers are kept. */
  take(sample: Sample): Outcome {
    const outcome = this.#take(sample);
    if (outcome !== 'elsewhere') this.#counters[outcome]++;
    return outcome;
  }

  /** Counts a sample that a source could not read. */
  countInvalid(): void {
    this.#counters.invalid++;
  }

  #take(sample: Sample): Outcome {
    const { server, time, values, categories, isRecord } = sample;
    const { clock, futureMs, isMine, log } = this.#options;
    if (Roster.objection(server) !== undefined || !(Math.abs(time) <= MAX_TIME)) return 'invalid';
    if (!this.#areNumbers(values)) return 'invalid';
    if (!isMine(server)) return 'elsewhere';
    const ring = this.#ring;
    const step = stepOf(time, ring.shape.stepMs);
    if (time > clock.now() + futureMs || step > ring.newest) return 'future';
    if (step < ring.oldest) return 'tooOld';
    const place = this.#roster.placeOf(server);
    if (place === undefined) return 'flooded';
    this.#categories.write(this.#codes, server, categories);
    const fate = ring.add(place, step, time, values, this.#codes, isRecord);
    if (fate === 'repeated' || fate === 'tooOld') return fate;
    if (fate === 'merged') this.#counters.merged++;
    if (step < ring.open) {
      this.#counters.late++;
      this.#lateSteps.add(step);
    }
    this.#roster.heard(place, time, categories[this.#profile], categories[this.#status]);
    log?.append(place, this.#roster.at(place) as StoredServer, sample, this.#codes, step < ring.open);
    return 'accepted';
  }

  /** Whether at least one metric has a number, and every number fits a float32. */
  #areNumbers(values: ArrayLike<number>): boolean {
    const { metrics } = this.#ring.shape;
    let found = false;
    for (let metric = 0; metric < metrics; metric++) {
      const value = values[metric];
      if (typeof value !== 'number') return false;
      if (Number.isNaN(value)) continue;
      if (!(Math.abs(value) <= LARGEST)) return false;
      found = true;
    }
    return found;
  }
}

function indexOf(categories: readonly Pick<Category, 'name'>[], name: string): number {
  return categories.findIndex((category) => category.name === name);
}
