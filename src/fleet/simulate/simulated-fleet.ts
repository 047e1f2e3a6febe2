// Simulated servers for load tests, each with a daily pattern of its own. The same seed gives the same numbers in any order of
// calls.
import type { FleetModel } from '../memory/shape.js';

const DAY = 86_400_000;
/** Where a metric has no maximum, values are up to this. */
const NO_MAXIMUM = 20;

/** A record as POST /feed/data takes it. */
export type SimulatedRecord = Readonly<Record<string, string | number>>;

export class SimulatedFleet {
  readonly #metrics: readonly { readonly name: string; readonly scale: number }[];
  readonly #profiles: readonly string[];
  readonly #seed: number;

  constructor(model: FleetModel, seed: number) {
    this.#metrics = model.metrics.map(({ name, maximum }) => ({ name, scale: maximum ?? NO_MAXIMUM }));
    const profile = model.categories.find(({ name }) => name === 'profile');
    this.#profiles = Object.keys(profile?.codes ?? { unknown: 0 });
    this.#seed = seed;
  }

  nameOf(server: number): string {
    return `sim-${String(server).padStart(6, '0')}`;
  }

  record(server: number, time: number): SimulatedRecord {
    const record: Record<string, string | number> = {
      timestamp: new Date(time).toISOString(),
      server_name: this.nameOf(server),
      profile: this.#profiles[server % this.#profiles.length] as string,
      status: 'healthy',
    };
    for (let metric = 0; metric < this.#metrics.length; metric++) {
      const { name, scale } = this.#metrics[metric] as { name: string; scale: number };
      const level = 0.1 + 0.4 * this.#random(server, metric, 0);
      const swing = 0.3 * this.#random(server, metric, 1);
      const phase = this.#random(server, metric, 2);
      const noise = 0.1 * (this.#random(server, metric, Math.floor(time / 1000)) - 0.5);
      const share = level + swing * Math.sin(2 * Math.PI * (time / DAY + phase)) + noise;
      record[name] = Math.round(scale * Math.min(1, Math.max(0, share)) * 100) / 100;
    }
    return record;
  }

  /** From 0 to 1, a function of three numbers (Murmur3's finaliser). */
  #random(a: number, b: number, c: number): number {
    let hash =
      (this.#seed ^
        Math.imul(a + 1, 0x9e3779b1) ^
        Math.imul(b + 1, 0x85ebca6b) ^
        Math.imul(c + 1, 0xc2b2ae35)) |
      0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
  }
}
