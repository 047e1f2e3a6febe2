// Writes the daemon's history to a store. If the store fails, forecasting continues: a full disk must not stop it.
import type { ServiceLog } from '../../service/index.js';
import type { FleetStatus } from '../api.js';
import type { Intake } from '../ingest/intake.js';
import type { FleetRing } from '../memory/ring.js';
import type { Roster } from '../memory/roster.js';
import { stepOf } from '../memory/shape.js';
import type { FileSampleLog } from './sample-log.js';
import type { FleetStore, PlacedServer, StoredForecasts } from './store.js';

export interface KeeperOptions {
  readonly store: FleetStore;
  /** The samples that are not in the store yet; undefined where nothing is kept on disk. */
  readonly sampleLog?: FileSampleLog | undefined;
  /** The store's location, for messages; undefined if it is in memory. */
  readonly path?: string | undefined;
  readonly log: ServiceLog;
}

type Kept = 'samples' | 'steps' | 'forecasts' | 'retention';

export class StoreKeeper {
  readonly store: FleetStore;
  readonly #sampleLog: FileSampleLog | undefined;
  readonly #path: string | undefined;
  readonly #log: ServiceLog;
  /** The error, by what could not be stored. */
  readonly #problems = new Map<Kept, string>();
  /** Steps that could not be stored, to be tried again. */
  #missed = new Set<number>();
  /** Servers that could not be stored. */
  #servers = new Map<number, PlacedServer>();

  constructor({ store, sampleLog, path, log }: KeeperOptions) {
    this.store = store;
    this.#sampleLog = sampleLog;
    this.#path = path;
    this.#log = log;
  }

  /** Resolves when accepted samples have been written. @returns whether they are durable. */
  async safe(): Promise<boolean> {
    if (this.#sampleLog === undefined) return false;
    await this.#sampleLog.flushed();
    const { problem } = this.#sampleLog;
    if (problem !== undefined) this.#fail('samples', problem);
    else this.#works('samples');
    return problem === undefined;
  }

  get status(): FleetStatus['store'] {
    if (this.#path === undefined) return null;
    return {
      path: this.#path,
      bytes: this.store.bytes,
      steps: this.store.steps,
      healthy: this.#problems.size === 0,
      problem: [...this.#problems.values()][0] ?? null,
    };
  }

  /** Loads the stored steps of the ring, and the samples that are in no stored step yet. */
  restore(ring: FleetRing, roster: Roster): void {
    const { store } = this;
    for (const [place, server] of store.servers.entries()) roster.restore(place, server);
    const { metrics, categories, stepMs } = ring.shape;
    for (let step = ring.oldest; step <= ring.newest; step++) {
      const stored = store.readStep(step);
      if (stored === undefined) continue;
      for (let place = 0; place < stored.values.length / metrics; place++) {
        if (Number.isNaN(stored.values[place * metrics]) && isEmpty(stored.values, place, metrics)) continue;
        if (roster.at(place) === undefined) continue;
        const values = stored.values.subarray(place * metrics, (place + 1) * metrics);
        const codes = stored.codes.subarray(place * categories, (place + 1) * categories);
        if (ring.restore(place, step, values, codes)) roster.setLastSample(place, step * stepMs);
      }
    }
    const folded = store.range?.newest ?? Number.NEGATIVE_INFINITY;
    this.#sampleLog?.read({
      server: (place, server) => {
        roster.restore(place, server);
        this.#servers.set(place, { place, server });
      },
      sample: ({ place, time, values, codes, isRecord }, open) => {
        const step = stepOf(time, stepMs);
        // From a file that was closed before the store's newest step, all samples of earlier steps are in the store.
        const isStored = step <= folded;
        if ((isStored && open <= folded) || step < ring.oldest || step > ring.newest) return;
        ring.add(place, step, time, values, codes, isRecord && !isStored);
        roster.setLastSample(place, time);
        if (step < ring.open) this.#missed.add(step);
      },
    });
    // Those without a step in the ring were heard before it, at times that only reading all stored steps would tell. Their
    // places still belong to their stored history, so they are kept too long rather than too short.
    roster.keepSilent(ring.oldest * stepMs);
    this.#sampleLog?.openStep(ring.open);
  }

  /**
   * Stores a step that has closed, and the earlier ones that late samples have changed.
   *
   * @returns these earlier ones, oldest first, if they could be stored.
   */
  async keepStep(step: number, ring: FleetRing, roster: Roster, intake: Intake): Promise<number[]> {
    // Done first, so that late samples are either in the copy made now or in a file that remains.
    this.#sampleLog?.openStep(ring.open);
    for (const changed of roster.takeChanged()) this.#servers.set(changed.place, changed);
    const steps = new Set([...this.#missed, ...intake.takeLateSteps(), step]);
    const copies = [...steps]
      .filter((each) => each >= ring.oldest && each <= step)
      .sort((a, b) => a - b)
      .map((each) => ({ step: each, ...ring.copyStep(each, roster.places) }));
    const servers = [...this.#servers.values()];
    const isKept = await this.#try('steps', async () => {
      await this.store.putServers(servers);
      for (const copy of copies) await this.store.putStep(copy);
    });
    this.#missed = isKept ? new Set() : steps;
    if (!isKept) return [];
    for (const { place, server } of servers) {
      if (this.#servers.get(place)?.server === server) this.#servers.delete(place);
    }
    this.#sampleLog?.forget(step);
    return copies.map((copy) => copy.step).filter((each) => each < step);
  }

  async keepForecasts(forecasts: StoredForecasts): Promise<void> {
    await this.#try('forecasts', () => this.store.putForecasts(forecasts));
  }

  async forgetBefore(step: number): Promise<void> {
    if (this.store.range === undefined || this.store.range.oldest >= step) return;
    await this.#try('retention', () => this.store.forgetBefore(step));
  }

  async close(): Promise<void> {
    await this.#sampleLog?.close();
    await this.store.close();
  }

  async #try(kept: Kept, what: () => Promise<void>): Promise<boolean> {
    try {
      await what();
      this.#works(kept);
      return true;
    } catch (error) {
      this.#fail(kept, error);
      return false;
    }
  }

  #works(kept: Kept): void {
    if (this.#problems.delete(kept))
      this.#log.info({ part: 'fleet', kept }, 'the store can be written again');
  }

  #fail(kept: Kept, error: unknown): void {
    if (!this.#problems.has(kept)) {
      this.#log.error(
        { err: error, part: 'fleet', kept },
        'the store cannot be written; forecasting goes on',
      );
    }
    this.#problems.set(kept, error instanceof Error ? error.message : String(error));
  }
}

function isEmpty(values: Float32Array, place: number, metrics: number): boolean {
  for (let metric = 0; metric < metrics; metric++) {
    if (!Number.isNaN(values[place * metrics + metric])) return false;
  }
  return true;
}
