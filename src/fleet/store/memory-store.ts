// A store in memory: for tests, for replays, and for daemons that need no history after a restart.
import type {
  FleetStore,
  PlacedServer,
  StoredForecasts,
  StoredRecords,
  StoredServer,
  StoredStep,
} from './store.js';

export interface MemoryStoreOptions {
  readonly metrics: number;
  readonly quantiles: number;
  /** Horizons, in steps, whose forecasts are kept. */
  readonly horizons: readonly number[];
}

export class MemoryStore implements FleetStore {
  readonly horizons: readonly number[];
  readonly bytes = 0;
  readonly #metrics: number;
  readonly #quantiles: number;
  readonly #servers: StoredServer[] = [];
  readonly #places = new Map<string, number>();
  readonly #steps = new Map<number, StoredStep>();
  readonly #forecasts = new Map<string, StoredForecasts>();
  readonly #records = new Map<string, Map<string, unknown>>();
  #oldest = Number.POSITIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;

  constructor({ metrics, quantiles, horizons }: MemoryStoreOptions) {
    this.#metrics = metrics;
    this.#quantiles = quantiles;
    this.horizons = horizons;
  }

  get servers(): readonly StoredServer[] {
    return this.#servers;
  }

  get range(): { readonly oldest: number; readonly newest: number } | undefined {
    return this.#steps.size === 0 ? undefined : { oldest: this.#oldest, newest: this.#newest };
  }

  get steps(): number {
    return this.#steps.size;
  }

  indexOf(name: string): number | undefined {
    return this.#places.get(name);
  }

  async putServers(servers: readonly PlacedServer[]): Promise<void> {
    for (const { place, server } of servers) {
      const before = this.#servers[place];
      if (before !== undefined && before.name !== server.name) this.#places.delete(before.name);
      this.#servers[place] = server;
      if (server.name !== '') this.#places.set(server.name, place);
    }
  }

  async putStep(step: StoredStep): Promise<void> {
    this.#steps.set(step.step, step);
    this.#oldest = Math.min(this.#oldest, step.step);
    this.#newest = Math.max(this.#newest, step.step);
  }

  async putForecasts(forecasts: StoredForecasts): Promise<void> {
    this.#forecasts.set(`${forecasts.step}/${forecasts.horizon}`, forecasts);
  }

  async forgetBefore(step: number): Promise<void> {
    for (const key of this.#steps.keys()) if (key < step) this.#steps.delete(key);
    for (const [key, forecasts] of this.#forecasts) if (forecasts.step < step) this.#forecasts.delete(key);
    this.#oldest = Math.min(...this.#steps.keys());
  }

  readStep(step: number): StoredStep | undefined {
    return this.#steps.get(step);
  }

  readServer(server: number, from: number, to: number): Float32Array {
    const width = this.#metrics;
    const out = new Float32Array((to - from) * width).fill(Number.NaN);
    for (let step = from; step < to; step++) {
      const values = this.#steps.get(step)?.values.subarray(server * width, (server + 1) * width);
      if (values !== undefined) out.set(values, (step - from) * width);
    }
    return out;
  }

  readForecasts(step: number, horizon: number): StoredForecasts | undefined {
    return this.#forecasts.get(`${step}/${horizon}`);
  }

  readServerForecasts(server: number, horizon: number, from: number, to: number): Float32Array {
    const width = this.#quantiles;
    const out = new Float32Array((to - from) * width).fill(Number.NaN);
    for (let step = from; step < to; step++) {
      const values = this.readForecasts(step, horizon)?.values.subarray(server * width, (server + 1) * width);
      if (values !== undefined) out.set(values, (step - from) * width);
    }
    return out;
  }

  records(name: string): StoredRecords {
    const values = this.#records.get(name) ?? new Map<string, unknown>();
    this.#records.set(name, values);
    return {
      get: (key) => values.get(key),
      put: async (key, value) => void values.set(key, value),
      delete: async (key) => void values.delete(key),
      keys: () => [...values.keys()],
    };
  }

  async close(): Promise<void> {}
}
