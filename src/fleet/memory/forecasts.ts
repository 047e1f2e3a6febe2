// The newest forecast of every server.
import type { ForecastSource } from '../api.js';
import { BLOCK_SERVERS } from './block.js';

interface ForecastBlock {
  /** `[servers][horizon][quantiles]` */
  readonly values: Float32Array;
  /** The newest step that the model read; NaN if there is no forecast. */
  readonly steps: Float64Array;
  readonly madeAt: Float64Array;
  readonly filled: Uint16Array;
  readonly risks: Float32Array;
  /** Bits, below. */
  readonly flags: Uint8Array;
}

const WARMING_UP = 1;
const NAIVE = 2;

/** A server's newest forecast. */
export interface KeptForecast {
  /** The newest step that the model read. The forecast begins with the step after it. */
  readonly step: number;
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  readonly filledSteps: number;
  readonly warmingUp: boolean;
  readonly source: ForecastSource;
  /** `[horizon][quantiles]`, sorted and within the range of the target: a view, overwritten by the next forecast. */
  readonly values: Float32Array;
}

export class LatestForecasts {
  readonly #size: number;
  readonly #blocks: ForecastBlock[] = [];

  /** @param size horizon × quantiles */
  constructor(size: number) {
    this.#size = size;
  }

  get bytes(): number {
    return this.#blocks.length * BLOCK_SERVERS * (this.#size * 4 + 23);
  }

  put(
    server: number,
    values: Float32Array,
    facts: { step: number; madeAt: number; filledSteps: number; warmingUp: boolean; source: ForecastSource },
  ): void {
    const block = this.#block(server);
    const at = server % BLOCK_SERVERS;
    block.values.set(values, at * this.#size);
    block.steps[at] = facts.step;
    block.madeAt[at] = facts.madeAt;
    block.filled[at] = facts.filledSteps;
    block.flags[at] = (facts.warmingUp ? WARMING_UP : 0) | (facts.source === 'naive' ? NAIVE : 0);
  }

  get(server: number): KeptForecast | undefined {
    const block = this.#blocks[Math.floor(server / BLOCK_SERVERS)];
    const at = server % BLOCK_SERVERS;
    const step = block?.steps[at] ?? Number.NaN;
    if (block === undefined || Number.isNaN(step)) return undefined;
    const flags = block.flags[at] as number;
    return {
      step,
      madeAt: block.madeAt[at] as number,
      filledSteps: block.filled[at] as number,
      warmingUp: (flags & WARMING_UP) !== 0,
      source: (flags & NAIVE) !== 0 ? 'naive' : 'model',
      values: block.values.subarray(at * this.#size, (at + 1) * this.#size),
    };
  }

  /** When a server's forecast was made; minus infinity if there is none. */
  madeAt(server: number): number {
    const block = this.#blocks[Math.floor(server / BLOCK_SERVERS)];
    const at = server % BLOCK_SERVERS;
    return block === undefined || Number.isNaN(block.steps[at])
      ? Number.NEGATIVE_INFINITY
      : (block.madeAt[at] as number);
  }

  /** Stores the risk of a server's newest forecast, so that servers at risk are found without reading all forecasts. */
  setRisk(server: number, risk: number): void {
    this.#block(server).risks[server % BLOCK_SERVERS] = risk;
  }

  /** 0 if there is no forecast. */
  risk(server: number): number {
    const block = this.#blocks[Math.floor(server / BLOCK_SERVERS)];
    const at = server % BLOCK_SERVERS;
    return block === undefined || Number.isNaN(block.steps[at]) ? 0 : (block.risks[at] as number);
  }

  forget(server: number): void {
    const block = this.#blocks[Math.floor(server / BLOCK_SERVERS)];
    if (block !== undefined) block.steps[server % BLOCK_SERVERS] = Number.NaN;
  }

  #block(server: number): ForecastBlock {
    const index = Math.floor(server / BLOCK_SERVERS);
    while (this.#blocks.length <= index) {
      this.#blocks.push({
        values: new Float32Array(BLOCK_SERVERS * this.#size),
        steps: new Float64Array(BLOCK_SERVERS).fill(Number.NaN),
        madeAt: new Float64Array(BLOCK_SERVERS),
        filled: new Uint16Array(BLOCK_SERVERS),
        risks: new Float32Array(BLOCK_SERVERS),
        flags: new Uint8Array(BLOCK_SERVERS),
      });
    }
    return this.#blocks[index] as ForecastBlock;
  }
}
