// Keeps the daemon's history in a store, and goes on when the store fails: a full disk must not end the forecasts.
import type { ServiceLog } from '../../service/index.js';
import type { FleetStatus } from '../api.js';
import type { Intake } from '../ingest/intake.js';
import type { FleetRing } from '../memory/ring.js';
import type { Roster } from '../memory/roster.js';
import type { FleetStore, StoredForecasts } from './store.js';

export class StoreKeeper {
  readonly store: FleetStore;
  readonly #path: string | undefined;
  readonly #log: ServiceLog;
  #problem: string | null = null;
  /** Steps that could not be kept, to be tried again. */
  #missed = new Set<number>();

  constructor(store: FleetStore, path: string | undefined, log: ServiceLog) {
    this.store = store;
    this.#path = path;
    this.#log = log;
  }

  get status(): FleetStatus['store'] {
    if (this.#path === undefined) return null;
    return {
      path: this.#path,
      bytes: this.store.bytes,
      steps: this.store.steps,
      healthy: this.#problem === null,
      problem: this.#problem,
    };
  }

  /** Takes what is kept of the ring's steps into memory. */
  restore(ring: FleetRing, roster: Roster): void {
    const { store } = this;
    roster.restore(store.servers);
    const { metrics, categories, stepMs } = ring.shape;
    for (let step = ring.oldest; step <= ring.newest; step++) {
      const stored = store.readStep(step);
      if (stored === undefined) continue;
      for (let place = 0; place < stored.values.length / metrics; place++) {
        if (roster.at(place) === undefined) continue;
        const values = stored.values.subarray(place * metrics, (place + 1) * metrics);
        if (values.every(Number.isNaN)) continue;
        ring.restore(
          place,
          step,
          values,
          stored.codes.subarray(place * categories, (place + 1) * categories),
        );
        roster.setLastSample(place, step * stepMs);
      }
    }
  }

  /** Keeps a step that has closed, and those before it that late samples have changed. */
  async keepStep(step: number, ring: FleetRing, roster: Roster, intake: Intake): Promise<void> {
    const steps = new Set([...this.#missed, ...intake.takeLateSteps(), step]);
    await this.#try(async () => {
      await this.store.putServers(roster.takeChanged());
      for (const each of steps) {
        if (each < ring.oldest || each > step) continue;
        await this.store.putStep({ step: each, ...ring.copyStep(each, roster.places) });
        steps.delete(each);
      }
      steps.clear();
    });
    this.#missed = steps;
  }

  async keepForecasts(forecasts: StoredForecasts): Promise<void> {
    await this.#try(() => this.store.putForecasts(forecasts));
  }

  async forgetBefore(step: number): Promise<void> {
    if (this.store.range === undefined || this.store.range.oldest >= step) return;
    await this.#try(() => this.store.forgetBefore(step));
  }

  async close(ring: FleetRing, roster: Roster, intake: Intake): Promise<void> {
    if (this.store.range !== undefined) await this.keepStep(ring.open - 1, ring, roster, intake);
    await this.store.close();
  }

  async #try(what: () => Promise<void>): Promise<void> {
    try {
      await what();
      if (this.#problem !== null) this.#log.info({ part: 'fleet' }, 'the store can be written again');
      this.#problem = null;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#problem === null) {
        this.#log.error({ err: error, part: 'fleet' }, 'the store cannot be written; forecasting goes on');
      }
      this.#problem = message;
    }
  }
}
