// The daemon's core: it takes samples, closes steps, makes forecasts and reports them to its observers. It does not depend on
// HTTP.
import type { ValueRange } from '../contract/quantiles.js';
import { targetOf } from '../contract/target.js';
import type { ModelHost, ServiceLog } from '../service/index.js';
import type { ReceiverStatus } from './api.js';
import type { Clock } from './clock.js';
import { EventHub } from './events.js';
import { Explainer } from './explainer.js';
import { type FinishedBatch, ForecastLoop, type RunSummary } from './forecast-loop.js';
import { Intake } from './ingest/intake.js';
import { LatestForecasts } from './memory/forecasts.js';
import { FleetRing } from './memory/ring.js';
import { Roster } from './memory/roster.js';
import { type FleetModel, historyShape, stepOf } from './memory/shape.js';
import { NamedHorizons } from './named-horizons.js';
import type { AccuracyWatch, AlertsWatch, FleetObserver, ObservedFleet } from './observer.js';
import { outlook, type QuantileColumns, quantileColumns, thresholdOf } from './risk.js';
import type { FleetSettings } from './settings.js';
import { isInShard } from './shard.js';
import type { Source } from './sources/source.js';
import { Standings } from './standings.js';
import { StoreKeeper } from './store/keeper.js';
import type { FileSampleLog } from './store/sample-log.js';
import type { FleetStore } from './store/store.js';

export interface FleetParts {
  readonly model: FleetModel;
  readonly settings: FleetSettings;
  readonly host: Pick<ModelHost, 'lend' | 'current'>;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly store: FleetStore;
  /** The samples that are not in the store yet; undefined where nothing is kept on disk. */
  readonly sampleLog?: FileSampleLog | undefined;
  readonly alerts?: AlertsWatch | undefined;
  readonly accuracy?: AccuracyWatch | undefined;
  /** Whether the servers are simulated. */
  readonly simulated: boolean;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** If the clock is this many steps behind the open step, it was ahead before. */
const WRONG_CLOCK_STEPS = 2;

export class Fleet {
  readonly model: FleetModel;
  readonly settings: FleetSettings;
  readonly clock: Clock;
  readonly simulated: boolean;
  readonly startedAt = Date.now();
  readonly ring: FleetRing;
  readonly roster: Roster;
  readonly latest: LatestForecasts;
  readonly intake: Intake;
  readonly loop: ForecastLoop;
  readonly explainer: Explainer;
  readonly hub = new EventHub();
  readonly standings: Standings;
  readonly keeper: StoreKeeper;
  readonly alerts: AlertsWatch | undefined;
  readonly accuracy: AccuracyWatch | undefined;
  readonly targetIndex: number;
  /** The range that the target's values can have. */
  readonly range: ValueRange;
  readonly columns: QuantileColumns;
  /** What risk and crossing times refer to; undefined where the target has no maximum and none is set. */
  readonly threshold: number | undefined;
  readonly sources: Source[] = [];
  /** Servers that the forecasts are written to. */
  readonly receivers: { readonly status: ReceiverStatus }[] = [];
  readonly #log: ServiceLog;
  readonly #horizons: NamedHorizons;
  readonly #observed: ObservedFleet;
  readonly #listeners: ((summary: RunSummary) => void)[] = [];
  #advancing: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(parts: FleetParts) {
    const { model, settings, clock, host, log, store } = parts;
    this.model = model;
    this.settings = settings;
    this.clock = clock;
    this.simulated = parts.simulated;
    this.alerts = parts.alerts;
    this.accuracy = parts.accuracy;
    this.#log = log;
    const shape = historyShape(model, settings.maxGapMinutes);
    this.ring = new FleetRing(shape, stepOf(clock.now(), shape.stepMs));
    this.roster = new Roster(settings.maxFleet);
    this.latest = new LatestForecasts(model.horizon * model.quantiles.length);
    const { channel, range } = targetOf(model);
    this.targetIndex = channel;
    this.range = range;
    this.columns = quantileColumns(model.quantiles);
    this.threshold = thresholdOf(settings, range);
    this.intake = new Intake(model, this.ring, this.roster, {
      clock,
      futureMs: settings.futureSeconds * 1000,
      isMine: isInShard(settings.shard),
      log: parts.sampleLog,
    });
    const rules = {
      warmUpSteps: Math.max(1, Math.round(settings.warmUpMinutes / model.stepMinutes)),
      allowSparse: settings.allowSparse,
    };
    this.standings = new Standings(this.ring, this.roster, rules);
    this.keeper = new StoreKeeper({ store, sampleLog: parts.sampleLog, path: settings.data, log });
    this.#horizons = new NamedHorizons(store.horizons, model);
    this.#observed = {
      archive: store,
      stepMs: shape.stepMs,
      horizon: model.horizon,
      quantiles: model.quantiles,
      targetIndex: this.targetIndex,
      serverAt: (index) => this.roster.at(index) ?? { name: '', profile: '', status: '' },
    };
    this.loop = new ForecastLoop({
      model,
      host,
      clock,
      rules,
      ring: this.ring,
      roster: this.roster,
      latest: this.latest,
      onBatch: (batch) => this.#batchEnded(batch),
      onRunEnded: (summary, isClosed) => this.#runEnded(summary, isClosed),
      onFailure: (error) => log.error({ err: error, part: 'fleet' }, 'servers could not be forecast'),
      replacement: (place, window) => this.#replacement(place, window),
    });
    this.explainer = new Explainer({ model, host, rules, ring: this.ring, latest: this.latest });
    this.alerts?.onAlert((alert) => this.hub.send('alert', () => ({ alert })));
  }

  get stepMs(): number {
    return this.ring.shape.stepMs;
  }

  /** The newest step that is complete. */
  get closed(): number {
    return this.ring.open - 1;
  }

  /** For observers, and for what judges stored history. */
  get observed(): ObservedFleet {
    return this.#observed;
  }

  /** Loads what the store has kept into memory. Call it once, before the first sample. */
  restore(): void {
    this.keeper.restore(this.ring, this.roster);
    this.standings.update(this.closed);
  }

  /** Advances the time with the machine's clock. */
  start(): void {
    const { everySeconds } = this.settings;
    const tick = () => void this.advance();
    this.#timers.push(setInterval(tick, 250).unref());
    if (everySeconds !== undefined) {
      this.#timers.push(setInterval(() => void this.forecastNow(), everySeconds * 1000).unref());
    }
  }

  /**
   * Closes the steps whose time has come, and forecasts from the last of them.
   *
   * @param forecasts whether to forecast.
   * @returns when the forecasts are made.
   */
  advance(forecasts = true): Promise<void> {
    this.#advancing ??= this.#advance(forecasts).finally(() => {
      this.#advancing = undefined;
    });
    return this.#advancing;
  }

  /** Forecasts all servers from the samples that are there, also those of the step that is open. */
  async forecastNow(): Promise<void> {
    await this.loop.request(this.settings.everySeconds === undefined ? this.closed : this.ring.open, false);
  }

  /** Calls back after each run over all servers. */
  onRun(listener: (summary: RunSummary) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Each run as it ends: `for await (const run of fleet.runs({ signal }))`. Of runs that end while the loop's body is busy,
   * only the newest is delivered.
   */
  async *runs({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<RunSummary, void> {
    let newest: RunSummary | undefined;
    let wake = () => {};
    const listener = (summary: RunSummary) => {
      newest = summary;
      wake();
    };
    const end = () => wake();
    this.#listeners.push(listener);
    signal?.addEventListener('abort', end);
    try {
      while (!signal?.aborted) {
        if (newest === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const summary = newest;
        newest = undefined;
        yield summary;
      }
    } finally {
      signal?.removeEventListener('abort', end);
      this.#listeners.splice(this.#listeners.indexOf(listener), 1);
    }
  }

  /** Resolves when all accepted samples are as durable as the settings require. @returns false if they do not. */
  accepted(): Promise<boolean> {
    return this.keeper.safe();
  }

  /** Stops everything that runs by itself: timers, sources, streams of events. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    await Promise.all(this.sources.map((source) => source.stop()));
    this.hub.close();
    await this.loop.stop();
    await this.#advancing;
  }

  /** After the last sample: stores the open steps. */
  async close(): Promise<void> {
    for (const observer of this.#observers()) await this.#tell(() => observer.close?.());
    await this.keeper.close();
  }

  async #advance(forecasts: boolean): Promise<void> {
    const now = this.clock.now();
    this.#mendClock(now);
    const before = this.ring.open;
    // The ring would no longer hold steps that are long past by the time they are closed one by one.
    const last = stepOf(now, this.stepMs) - this.ring.shape.window;
    if (this.ring.open < last) this.ring.advance(last);
    while (now >= this.closesAt(this.ring.open)) await this.#closeStep(this.ring.open);
    if (this.ring.open === before) return;
    this.standings.update(this.closed);
    if (forecasts) await this.loop.request(this.closed, true);
  }

  /** The time to forecast from a step: after its last sample, plus some time for it to arrive. */
  closesAt(step: number): number {
    return (step + 0.5) * this.stepMs + this.settings.graceSeconds * 1000;
  }

  async #closeStep(step: number): Promise<void> {
    this.ring.advance(step + 1);
    const changed = await this.keeper.keepStep(step, this.ring, this.roster, this.intake);
    const oldest = step - this.#keptSteps();
    await this.keeper.forgetBefore(oldest);
    for (const place of this.roster.expire(oldest * this.stepMs)) {
      this.ring.forget(place);
      this.latest.forget(place);
    }
    for (const observer of this.#observers()) {
      if (changed.length > 0) await this.#tell(() => observer.stepsChanged?.(changed, this.#observed));
      await this.#tell(() => observer.stepClosed?.(step, this.#observed));
    }
  }

  /** On disk, what the retention says; in memory, no more than the page and the accuracy watch read. */
  #keptSteps(): number {
    const { data, retentionDays } = this.settings;
    const wanted = Math.ceil((retentionDays * DAY) / this.stepMs);
    return data === undefined ? Math.min(wanted, this.ring.shape.window + this.model.horizon) : wanted;
  }

  /** If the clock was ahead and has been corrected, the open step is in the future. */
  #mendClock(now: number): void {
    const step = stepOf(now, this.stepMs);
    if (step > this.ring.open - WRONG_CLOCK_STEPS) return;
    this.#log.warn(
      { part: 'fleet', steps: this.ring.open - step },
      "the clock went back: what was taken as later than now is forgotten, and the time is taken from the clock's",
    );
    this.ring.rewind(step);
  }

  async #batchEnded(batch: FinishedBatch): Promise<void> {
    this.#noteRisks(batch);
    if (!batch.isClosed) return;
    this.#horizons.take(batch, this.roster.places);
    for (const observer of this.#observers()) {
      await this.#tell(() => observer.forecasts?.(batch, this.#observed));
    }
  }

  #noteRisks({ servers, values }: FinishedBatch): void {
    const { quantiles } = this.model;
    const size = values.length / servers.length;
    for (const [index, place] of servers.entries()) {
      const forecast = values.subarray(index * size, (index + 1) * size);
      const { risk } = outlook(forecast, quantiles, this.columns, this.threshold, this.range);
      this.latest.setRisk(place, risk);
    }
  }

  async #runEnded(summary: RunSummary, isClosed: boolean): Promise<void> {
    this.standings.update(summary.step);
    if (isClosed) {
      for (const forecasts of this.#horizons.give()) await this.keeper.keepForecasts(forecasts);
      for (const observer of this.#observers()) {
        await this.#tell(() => observer.runEnded?.(summary.step, this.#observed));
      }
    }
    for (const listener of this.#listeners) listener(summary);
  }

  #replacement(place: number, window: () => Float32Array): Float32Array | undefined {
    const { accuracy } = this;
    if (this.settings.fallback !== 'best' || accuracy?.choose?.(place) !== 'naive') return undefined;
    return accuracy.naive?.(place, window());
  }

  *#observers(): Generator<FleetObserver> {
    if (this.accuracy !== undefined) yield this.accuracy;
    if (this.alerts !== undefined) yield this.alerts;
  }

  async #tell(what: () => void | Promise<void>): Promise<void> {
    try {
      await what();
    } catch (error) {
      this.#log.error({ err: error, part: 'fleet' }, 'what watches the forecasts has failed');
    }
  }
}

/** Named horizons in steps, from minutes; those beyond the model's horizon are left out. */
export function horizonSteps({ horizons }: FleetSettings, model: FleetModel): number[] {
  const steps = horizons.map((minutes) => Math.round((minutes * MINUTE) / (model.stepMinutes * MINUTE)));
  return [...new Set(steps)].filter((step) => step >= 1 && step <= model.horizon).sort((a, b) => a - b);
}
