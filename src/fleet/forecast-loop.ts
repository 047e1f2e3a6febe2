// Forecasts all servers: the oldest forecasts first, in full batches, as many at once as keep the engine busy. The event loop
// is free between two batches, so incoming samples are not delayed.
import { setImmediate } from 'node:timers/promises';
import { TFTError } from '../contract/errors.js';
import { clipValues, sortSteps, type ValueRange } from '../contract/quantiles.js';
import { targetOf } from '../contract/target.js';
import type { ModelHost, ServedModel } from '../service/index.js';
import type { ForecastSource } from './api.js';
import type { Clock } from './clock.js';
import type { LatestForecasts } from './memory/forecasts.js';
import { WindowBatch } from './memory/gather.js';
import type { FleetRing } from './memory/ring.js';
import type { Roster } from './memory/roster.js';
import type { FleetModel } from './memory/shape.js';
import { refuseOtherModel } from './same-model.js';
import { blocksOf, type StandingRules, surveyStandings } from './standing.js';

/** A batch of forecasts. The arrays are valid until the callback's promise settles. */
export interface FinishedBatch {
  readonly step: number;
  readonly madeAt: number;
  readonly servers: Int32Array;
  /** `[servers][horizon][quantiles]`, sorted and within the target's range. */
  readonly values: Float32Array;
  /** The model's own forecasts, if naive forecasts replaced some. */
  readonly modelValues: Float32Array;
  readonly warmingUp: readonly boolean[];
  /** Whether all samples of the step were there. */
  readonly isClosed: boolean;
}

export interface RunSummary {
  readonly at: number;
  readonly step: number;
  readonly servers: number;
  readonly milliseconds: number;
}

export interface ForecastLoopParts {
  readonly model: FleetModel;
  readonly ring: FleetRing;
  readonly roster: Roster;
  readonly latest: LatestForecasts;
  readonly host: Pick<ModelHost, 'lend'>;
  readonly clock: Clock;
  readonly rules: StandingRules;
  readonly onBatch: (batch: FinishedBatch) => Promise<void>;
  readonly onRunEnded: (summary: RunSummary, isClosed: boolean) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  /** The naive forecast for a server for which it is more accurate; undefined to use the model's. `window`: the target's. */
  readonly replacement: (place: number, window: () => Float32Array) => Float32Array | undefined;
}

interface Wanted {
  readonly end: number;
  readonly isClosed: boolean;
}

/** Memory that no batch uses. */
interface Batches {
  readonly size: number;
  readonly free: WindowBatch[];
}

interface Due {
  readonly place: number;
  readonly first: number;
  readonly filledSteps: number;
  readonly warmingUp: boolean;
  readonly madeAt: number;
}

/** The wait before servers that the engine's queue had no room for are tried again. */
const FULL_QUEUE_MS = 50;
/** A batch that fails for another reason waits for the next run. */
const MAX_TRIES = 200;

export class ForecastLoop {
  readonly #parts: ForecastLoopParts;
  readonly #range: ValueRange;
  readonly #target: number;
  #wanted: Wanted | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #batches: Batches | undefined;
  #due = 0;
  #forecasts = 0;
  #failures = 0;
  #lastError: string | null = null;
  #lastRun: RunSummary | undefined;

  constructor(parts: ForecastLoopParts) {
    this.#parts = parts;
    const { channel, range } = targetOf(parts.model);
    this.#target = channel;
    this.#range = range;
  }

  get lastRun(): RunSummary | undefined {
    return this.#lastRun;
  }

  get counts(): { due: number; forecasts: number; failures: number; lastError: string | null } {
    return {
      due: this.#due,
      forecasts: this.#forecasts,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  /**
   * Forecasts all servers from the step `end` on. A run in progress ends with its current batches; the servers that it did not
   * reach are the first ones now.
   *
   * @returns when all due servers are forecast, or a later request has taken over.
   */
  request(end: number, isClosed: boolean): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#wanted = { end, isClosed };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no batch is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wanted = undefined;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let wanted = this.#wanted; wanted !== undefined; wanted = this.#wanted) {
      this.#wanted = undefined;
      try {
        await this.#forecastAll(wanted);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  async #forecastAll({ end, isClosed }: Wanted): Promise<void> {
    const begin = performance.now();
    const at = this.#parts.clock.now();
    const due = await this.#dueServers(end);
    this.#due = due.length;
    let servers = 0;
    let next = 0;
    const worker = async () => {
      while (next < due.length && this.#wanted === undefined && !this.#stopped) {
        const size = this.#batches?.size ?? 1;
        const part = due.slice(next, next + size);
        next += part.length;
        if (await this.#forecastPart(part, end, isClosed)) servers += part.length;
        this.#due = due.length - next;
      }
    };
    const lanes = await this.#prepare();
    await Promise.all(Array.from({ length: lanes }, worker));
    this.#lastRun = { at, step: end, servers, milliseconds: performance.now() - begin };
    await this.#parts.onRunEnded(this.#lastRun, isClosed);
  }

  /** Memory for as many batches as the model can run at once. @returns how many batches may run. */
  #prepare(): Promise<number> {
    return this.#parts.host.lend(async (served) => {
      refuseOtherModel(this.#parts.model, served.engine.model);
      const { maxBatch, threads } = served.engine.info;
      // One more than can run, so that the next one is ready when one ends.
      const lanes = threads + 1;
      if (this.#batches?.size !== maxBatch) this.#batches = { size: maxBatch, free: [] };
      return lanes;
    });
  }

  async #dueServers(end: number): Promise<Due[]> {
    const { ring, roster, latest, rules } = this.#parts;
    const due: Due[] = [];
    for (const [from, to] of blocksOf(roster.places)) {
      surveyStandings(ring, end, from, to, rules, (place, { state, canForecast, first, filledSteps }) => {
        if (!canForecast || roster.at(place) === undefined) return;
        due.push({ place, first, filledSteps, warmingUp: state !== 'ready', madeAt: latest.madeAt(place) });
      });
      await setImmediate();
    }
    return due.sort((a, b) => a.madeAt - b.madeAt || a.place - b.place);
  }

  /** @returns whether the servers were forecast. */
  async #forecastPart(part: readonly Due[], end: number, isClosed: boolean): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#parts.host.lend((served) => this.#forecastWith(served, part, end, isClosed));
        return true;
      } catch (error) {
        const isFull = error instanceof TFTError && error.code === 'ERR_TFT_QUEUE_FULL';
        if (!isFull || tries >= MAX_TRIES || this.#stopped) {
          this.#fail(error);
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, FULL_QUEUE_MS));
      }
    }
  }

  async #forecastWith(
    served: ServedModel,
    part: readonly Due[],
    end: number,
    isClosed: boolean,
  ): Promise<void> {
    refuseOtherModel(this.#parts.model, served.engine.model);
    const { ring, clock } = this.#parts;
    const batches = this.#batches as Batches;
    const batch = batches.free.pop() ?? new WindowBatch(served.engine.model, batches.size);
    const servers = Int32Array.from(part, ({ place }) => place);
    const firsts = Int32Array.from(part, ({ first }) => first);
    try {
      const inputs = batch.gather(ring, end, servers, firsts);
      const madeAt = clock.now();
      const { data } = await served.engine.predict(inputs, { borrow: true, out: batch.output(part.length) });
      this.#tidy(data);
      const values = this.#keep(part, data, inputs.encoderCont, end, madeAt);
      const warmingUp = part.map((due) => due.warmingUp);
      await this.#parts.onBatch({
        step: end,
        madeAt,
        servers,
        values,
        modelValues: data,
        warmingUp,
        isClosed,
      });
    } finally {
      batches.free.push(batch);
    }
  }

  /** Publishes forecasts; for servers whose naive forecast is more accurate, that one replaces the model's. */
  #keep(
    part: readonly Due[],
    data: Float32Array,
    windows: Float32Array,
    end: number,
    madeAt: number,
  ): Float32Array {
    let used = data;
    const { latest, ring, replacement } = this.#parts;
    const { window, metrics } = ring.shape;
    const size = data.length / part.length;
    const target = (index: number) =>
      Float32Array.from(
        { length: window },
        (_, step) => windows[(index * window + step) * metrics + this.#target] as number,
      );
    for (const [index, { place, filledSteps, warmingUp }] of part.entries()) {
      const naive = replacement(place, () => target(index));
      const source: ForecastSource = naive === undefined ? 'model' : 'naive';
      if (naive !== undefined && used === data) used = data.slice();
      const values = used.subarray(index * size, (index + 1) * size);
      if (naive !== undefined) {
        values.set(naive);
        this.#tidy(values);
      }
      latest.put(place, values, { step: end, madeAt, filledSteps, warmingUp, source });
    }
    this.#forecasts += part.length;
    return used;
  }

  /** Forecasts that people see are sorted and within the target's range. */
  #tidy(values: Float32Array): void {
    sortSteps(values, this.#parts.model.quantiles.length);
    clipValues(values, this.#range);
  }

  #fail(error: unknown): void {
    this.#failures++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    this.#parts.onFailure(error);
  }
}
