// The accuracy watch of the daemon: when a step closes, it scores the forecasts that were made of this step, and the naive
// forecasts that would have been made at the same time. Definitions: docs/judging.md.
import type { ValueRange } from '../../contract/quantiles.js';
import {
  isHeld,
  NAIVE_NAMES,
  type NaiveShape,
  naiveForecast,
  naiveForecasts,
  pastSteps,
  pinballLoss,
  stepsPerDay,
} from '../../judging/index.js';
import type { Accuracy, AccuracyHorizon, ForecastSource } from '../api.js';
import type { AccuracyWatch, ObservedFleet } from '../observer.js';
import { ServerScoreBook } from './server-scores.js';
import { addSums, DailySums, type DayRecord, emptySums, leastLoss, shown } from './sums.js';
import { TargetHistory } from './target-history.js';

const MINUTE = 60_000;
/** Days of scores that are kept. */
const DAYS = 14;
/** With more servers than this, each one is scored at every second, third … step only, so that a step's scoring stays short. */
const SERVERS_A_STEP = 1_000;
/** With more servers than this, only the first ones are watched: their past alone takes 190 MB. */
const MAX_SERVERS = 20_000;
/**
 * The model becomes stale when its loss over the last days exceeds the best naive one by 5 %; it recovers when its loss is
 * smaller.
 */
const STALE_DAYS = 3;
const STALE_FROM = 1.05;
const STALE_MIN_COUNT = 200;
/** How long the error quantiles of a naive forecast are used before they are computed again. */
const ERRORS_FRESH_MS = 60 * MINUTE;
const SLICE_MS = 8;
const RECORD = 'days';
const SAVED_EVERY_MS = 60 * MINUTE;

export interface FleetAccuracyModel {
  readonly stepMinutes: number;
  readonly encoderLength: number;
  readonly horizon: number;
  readonly quantiles: readonly number[];
  readonly range: ValueRange;
  readonly metrics: number;
}

export interface FleetAccuracyOptions {
  readonly model: FleetAccuracyModel;
  /** How exact readings are, in the target's unit, for the coverage; 0.01 by default. */
  readonly resolution?: number | undefined;
  /** Gaps up to this long are filled with the value before; 60 by default. */
  readonly maxGapMinutes?: number | undefined;
}

export class FleetAccuracy implements AccuracyWatch {
  readonly #model: FleetAccuracyModel;
  readonly #shape: NaiveShape;
  readonly #resolution: number;
  readonly #stepMs: number;
  readonly #band: readonly [number, number] | undefined;
  readonly #history: TargetHistory;
  readonly #days = new DailySums(DAYS);
  readonly #servers: ServerScoreBook;
  readonly #errors = new Map<
    number,
    { readonly kind: number; readonly step: number; readonly values: Float64Array }
  >();
  #horizons: readonly number[] = [];
  #loaded = false;
  #stale = false;
  #saved = Number.NEGATIVE_INFINITY;

  constructor({ model, resolution = 0.01, maxGapMinutes = 60 }: FleetAccuracyOptions) {
    this.#model = model;
    this.#stepMs = model.stepMinutes * MINUTE;
    this.#resolution = resolution;
    this.#shape = {
      encoder: model.encoderLength,
      horizon: model.horizon,
      day: stepsPerDay(model.stepMinutes),
      quantiles: model.quantiles,
      range: model.range,
    };
    const [low, high] = [0.1, 0.9].map((q) => model.quantiles.indexOf(q)) as [number, number];
    this.#band = low >= 0 && high >= 0 ? [low, high] : undefined;
    this.#history = new TargetHistory(
      pastSteps(this.#shape) + model.horizon,
      Math.floor(maxGapMinutes / model.stepMinutes),
    );
    this.#servers = new ServerScoreBook(this.#shape.day);
  }

  /** Scores the forecasts of a step that has just closed. */
  async stepClosed(step: number, fleet: ObservedFleet): Promise<void> {
    const { archive } = fleet;
    this.#horizons = archive.horizons;
    if (!this.#loaded) await this.#load(step, fleet);
    if (step < this.#history.newest) {
      this.#history.rewind(step);
      this.#servers.rewind(step);
    }
    this.#take(step, fleet);
    await this.#scoreStep(step, fleet, () => true);
    this.#judgeStaleness(this.#dayOf(step));
    await this.#save(step, fleet);
  }

  /**
   * Takes what a source brought late, such as after an outage, and scores the forecasts of servers of which nothing had been
   * measured then.
   */
  async stepsChanged(steps: readonly number[], fleet: ObservedFleet): Promise<void> {
    // What is loaded later has the changes.
    if (!this.#loaded) return;
    for (const step of steps) {
      const before = this.#history.step(step);
      this.#take(step, fleet);
      await this.#scoreStep(step, fleet, (place) => Number.isNaN(before[place] ?? Number.NaN));
    }
  }

  /** Scores the forecasts of a step. Yields to the event loop between slices of the work. */
  async #scoreStep(step: number, fleet: ObservedFleet, isDue: (place: number) => boolean): Promise<void> {
    const { archive } = fleet;
    const every = Math.ceil(Math.min(archive.servers.length, MAX_SERVERS) / SERVERS_A_STEP);
    const day = this.#dayOf(step);
    const width = this.#model.quantiles.length;
    let slice = performance.now();
    for (const horizon of archive.horizons) {
      const forecasts = archive.readForecasts(step, horizon)?.values;
      const count = Math.min((forecasts?.length ?? 0) / width, MAX_SERVERS);
      for (let place = 0; place < count; place++) {
        if ((step + place) % every !== 0 || !isDue(place)) continue;
        this.#score(place, step, horizon, day, forecasts as Float32Array, fleet);
        if (performance.now() - slice > SLICE_MS) {
          await new Promise(setImmediate);
          slice = performance.now();
        }
      }
    }
  }

  state(): Accuracy {
    const { oldest } = this.#days;
    const list = (profile?: string) =>
      this.#horizons.map((horizon) => this.#shown(horizon, this.#days.total(horizon, profile)));
    return {
      since: oldest === undefined ? null : new Date(oldest * 1440 * MINUTE).toISOString(),
      horizons: list(),
      profiles: this.#days.profiles.map((profile) => ({ profile, horizons: list(profile) })),
      stale: this.#stale,
    };
  }

  /** Whether the model has gone stale, in words. */
  staleness(): { readonly stale: boolean; readonly text: string } {
    const verdict = this.#stale
      ? 'worse than the best naive forecast'
      : 'no longer worse than the best naive forecast';
    return { stale: this.#stale, text: `over the last ${STALE_DAYS} days the model was ${verdict}` };
  }

  server(place: number): readonly AccuracyHorizon[] | null {
    const byHorizon = this.#servers.of(place);
    if (byHorizon === undefined) return null;
    return this.#horizons.map((horizon) => this.#shown(horizon, byHorizon.get(horizon) ?? emptySums()));
  }

  choose(place: number): ForecastSource {
    return this.#servers.best(place) === 0 ? 'model' : 'naive';
  }

  /** The naive forecast that has been the best for a server, `[horizon][quantiles]`. */
  naive(place: number, window: Float32Array): Float32Array {
    const kind = Math.max(1, this.#servers.best(place));
    const name = NAIVE_NAMES[kind - 1] as (typeof NAIVE_NAMES)[number];
    const { newest } = this.#history;
    const known = this.#history.past(place, newest, pastSteps(this.#shape));
    const past = known.length >= window.length ? known : Float64Array.from(window);
    if (name === 'same time yesterday' || name === 'window quantiles') {
      return Float32Array.from(naiveForecast(name, past, this.#shape));
    }
    const last = past[past.length - 1] as number;
    let errors = this.#errors.get(place);
    if (errors?.kind !== kind || (newest - errors.step) * this.#stepMs >= ERRORS_FRESH_MS) {
      const whole = naiveForecast(name, past, { ...this.#shape, range: {} });
      errors = { kind, step: newest, values: whole.map((value) => value - last) };
      this.#errors.set(place, errors);
    }
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = this.#shape.range;
    return Float32Array.from(errors.values, (error) => Math.min(maximum, Math.max(minimum, last + error)));
  }

  #score(
    place: number,
    step: number,
    horizon: number,
    day: number,
    forecasts: Float32Array,
    fleet: ObservedFleet,
  ): void {
    const { quantiles } = this.#shape;
    const measured = this.#history.at(place, step);
    const at = place * quantiles.length;
    if (Number.isNaN(measured) || Number.isNaN(forecasts[at])) return;
    const past = this.#history.past(place, step - horizon, pastSteps(this.#shape));
    if (past.length === 0) return;
    const losses = [
      pinballLoss(forecasts, at, quantiles, measured),
      ...naiveForecasts(past, this.#shape, [horizon]).map((naive) =>
        pinballLoss(naive, 0, quantiles, measured),
      ),
    ];
    const [low, high] = this.#band ?? [0, 0];
    const held = isHeld(
      forecasts[at + low] as number,
      forecasts[at + high] as number,
      measured,
      this.#resolution,
    );
    const { name, profile } = fleet.serverAt(place);
    this.#days.add(day, profile, horizon, { losses, held });
    this.#servers.add(place, name, step, horizon, { losses, held });
  }

  #dayOf(step: number): number {
    return Math.floor((step * this.#stepMs) / (1440 * MINUTE));
  }

  #judgeStaleness(day: number): void {
    const total = emptySums();
    for (const horizon of this.#horizons) {
      addSums(total, this.#days.total(horizon, undefined, day - STALE_DAYS + 1));
    }
    if (total.count < STALE_MIN_COUNT) return;
    const ratio = (total.losses[0] as number) / (total.losses[leastLoss(total.losses, 1)] as number);
    this.#stale = ratio > (this.#stale ? 1 : STALE_FROM);
  }

  #take(step: number, { archive, targetIndex }: ObservedFleet): void {
    const stored = archive.readStep(step);
    if (stored === undefined) return;
    const { metrics } = this.#model;
    const values = stored.values.subarray(0, MAX_SERVERS * metrics);
    this.#history.put(step, values, metrics, targetIndex);
  }

  /** Restores the past from the archive, and the stored scores, after a start. */
  async #load(step: number, fleet: ObservedFleet): Promise<void> {
    this.#loaded = true;
    const record = fleet.archive.records('accuracy').get(RECORD) as DayRecord | undefined;
    if (Array.isArray(record)) this.#days.restore(record);
    const { range } = fleet.archive;
    if (range === undefined) return;
    const first = Math.max(range.oldest, step - pastSteps(this.#shape) - this.#model.horizon);
    let slice = performance.now();
    for (let at = first; at < step; at++) {
      this.#take(at, fleet);
      if (performance.now() - slice > SLICE_MS) {
        await new Promise(setImmediate);
        slice = performance.now();
      }
    }
  }

  async #save(step: number, { archive }: ObservedFleet): Promise<void> {
    if ((step - this.#saved) * this.#stepMs < SAVED_EVERY_MS) return;
    this.#saved = step;
    await archive.records('accuracy').put(RECORD, this.#days.record());
  }

  #shown(horizon: number, sums: ReturnType<typeof emptySums>): AccuracyHorizon {
    return shown(sums, horizon * this.#model.stepMinutes, this.#band !== undefined);
  }
}
