// A store on disk, in LMDB: a step of all servers in blocks of 1,024, the fastest of the layouts that were measured. Committed
// data survives the end of the process at any moment; flushed data survives that of the machine.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Database, open, type RootDatabase, TransactionFlags } from 'lmdb';
import { TFTError } from '../../contract/errors.js';
import { BLOCK_SERVERS } from '../memory/block.js';
import type { FleetModel } from '../memory/shape.js';
import type {
  FleetStore,
  PlacedServer,
  StoredForecasts,
  StoredRecords,
  StoredServer,
  StoredStep,
} from './store.js';

export interface LmdbStoreOptions {
  /** The folder; it is created if it is missing. */
  readonly path: string;
  readonly model: FleetModel;
  /** Horizons, in steps, whose forecasts are kept. */
  readonly horizons: readonly number[];
  /** Whether writing waits for the disk. */
  readonly flush: boolean;
  /** Only reads what is there, also while a daemon writes to it. */
  readonly readOnly?: boolean | undefined;
}

const FILE = 'history.mdb';
const LAYOUT = 1;
const FLOAT = 4;
const CODE = 2;
/** 1 MB of blocks. */
const WRITES_AT_ONCE = 16;
const { ABORTABLE, SYNCHRONOUS_COMMIT, NO_SYNC_FLUSH } = TransactionFlags;

export class LmdbStore implements FleetStore {
  readonly horizons: readonly number[];
  readonly #path: string;
  readonly #flush: boolean;
  readonly #metrics: number;
  readonly #categories: number;
  readonly #quantiles: number;
  readonly #root: RootDatabase<unknown, string>;
  readonly #servers: Database<StoredServer, number>;
  /** By step, the number of servers at that time. */
  readonly #closed: Database<number, number>;
  /** By step and block. */
  readonly #blocks: Database<Buffer, [number, number]>;
  /** By horizon, step and block. */
  readonly #forecasts: Database<Buffer, [number, number, number]>;
  readonly #records: Database<unknown, [string, string]>;
  readonly #list: StoredServer[] = [];
  readonly #places = new Map<string, number>();
  #range: { oldest: number; newest: number } | undefined;
  #steps = 0;

  /** @throws TFTError ERR_TFT_FILE, or ERR_TFT_OPTION for a folder of another model's history. */
  constructor({ path, model, horizons, flush, readOnly = false }: LmdbStoreOptions) {
    this.horizons = horizons;
    this.#path = path;
    this.#flush = flush;
    this.#metrics = model.metrics.length;
    this.#categories = model.categories.length;
    this.#quantiles = model.quantiles.length;
    if (readOnly && !existsSync(join(path, FILE)))
      throw new TFTError('ERR_TFT_FILE', `${path} is not the folder of a daemon: it has no ${FILE}`);
    try {
      if (!readOnly) mkdirSync(path, { recursive: true });
      this.#root = open({ path: join(path, FILE), encoding: 'json', maxDbs: 8, readOnly });
    } catch (cause) {
      throw new TFTError('ERR_TFT_FILE', `history cannot be kept in ${path}: ${(cause as Error).message}`, {
        cause,
      });
    }
    this.#servers = this.#root.openDB({ name: 'servers', encoding: 'json', keyEncoding: 'ordered-binary' });
    this.#closed = this.#root.openDB({ name: 'steps', encoding: 'json' });
    this.#blocks = this.#root.openDB({ name: 'blocks', encoding: 'binary' });
    this.#forecasts = this.#root.openDB({ name: 'forecasts', encoding: 'binary' });
    this.#records = this.#root.openDB({ name: 'records', encoding: 'json' });
    this.#checkLayout(model);
    for (const { key, value } of this.#servers.getRange()) this.#place(key, value);
    for (const step of this.#closed.getKeys()) this.#count(step);
  }

  get servers(): readonly StoredServer[] {
    return this.#list;
  }

  get range(): { readonly oldest: number; readonly newest: number } | undefined {
    return this.#range;
  }

  get steps(): number {
    return this.#steps;
  }

  get bytes(): number {
    return statSync(join(this.#path, FILE)).size;
  }

  indexOf(name: string): number | undefined {
    return this.#places.get(name);
  }

  async putServers(servers: readonly PlacedServer[]): Promise<void> {
    await this.#write(
      servers.map(
        ({ place, server }) =>
          () =>
            this.#servers.putSync(place, server),
      ),
    );
    for (const { place, server } of servers) this.#place(place, server);
  }

  async putStep({ step, values, codes }: StoredStep): Promise<void> {
    const count = values.length / this.#metrics;
    const writes: (() => void)[] = [];
    for (let from = 0; from < count; from += BLOCK_SERVERS) {
      const to = Math.min(count, from + BLOCK_SERVERS);
      const numbers = values.subarray(from * this.#metrics, to * this.#metrics);
      const narrow = Uint16Array.from(codes.subarray(from * this.#categories, to * this.#categories));
      const bytes = Buffer.allocUnsafe(numbers.byteLength + narrow.byteLength);
      bytes.set(bytesOf(numbers), 0);
      bytes.set(bytesOf(narrow), numbers.byteLength);
      writes.push(() => this.#blocks.putSync([step, from / BLOCK_SERVERS], bytes));
    }
    const isNew = this.#closed.get(step) === undefined;
    // Written last: without it a step does not exist.
    writes.push(() => this.#closed.putSync(step, count));
    await this.#write(writes);
    if (isNew) this.#count(step);
  }

  async putForecasts({ step, horizon, values }: StoredForecasts): Promise<void> {
    const size = BLOCK_SERVERS * this.#quantiles;
    const writes: (() => void)[] = [];
    for (let from = 0; from < values.length; from += size) {
      const bytes = Buffer.from(bytesOf(values.subarray(from, from + size)));
      writes.push(() => this.#forecasts.putSync([horizon, step, from / size], bytes));
    }
    await this.#write(writes);
  }

  async forgetBefore(step: number): Promise<void> {
    const writes: (() => void)[] = [];
    for (const key of this.#blocks.getKeys({ end: [step, 0] }))
      writes.push(() => this.#blocks.removeSync(key));
    for (const horizon of this.horizons) {
      const range = { start: [horizon, Number.NEGATIVE_INFINITY, 0], end: [horizon, step, 0] };
      for (const key of this.#forecasts.getKeys(range as object)) {
        writes.push(() => this.#forecasts.removeSync(key));
      }
    }
    const steps = [...this.#closed.getKeys({ end: step })];
    for (const key of steps) writes.push(() => this.#closed.removeSync(key));
    await this.#write(writes);
    this.#steps -= steps.length;
    if (this.#range === undefined) return;
    const [oldest] = [...this.#closed.getKeys({ limit: 1 })];
    this.#range = oldest === undefined ? undefined : { ...this.#range, oldest };
  }

  readStep(step: number): StoredStep | undefined {
    const count = this.#closed.get(step);
    if (count === undefined) return undefined;
    const values = new Float32Array(count * this.#metrics).fill(Number.NaN);
    const codes = new Int32Array(count * this.#categories);
    for (let from = 0; from < count; from += BLOCK_SERVERS) {
      const bytes = this.#blocks.getBinaryFast([step, from / BLOCK_SERVERS]);
      if (bytes === undefined) continue;
      const servers = bytes.length / (this.#metrics * FLOAT + this.#categories * CODE);
      const size = servers * this.#metrics * FLOAT;
      values.set(new Float32Array(aligned(bytes, 0, size)), from * this.#metrics);
      codes.set(new Uint16Array(aligned(bytes, size, bytes.length)), from * this.#categories);
    }
    return { step, values, codes };
  }

  readServer(server: number, from: number, to: number): Float32Array {
    const width = this.#metrics;
    const out = new Float32Array((to - from) * width).fill(Number.NaN);
    const at = (server % BLOCK_SERVERS) * width * FLOAT;
    for (let step = from; step < to; step++) {
      const bytes = this.#blocks.getBinaryFast([step, Math.floor(server / BLOCK_SERVERS)]);
      if (bytes === undefined) continue;
      const servers = bytes.length / (width * FLOAT + this.#categories * CODE);
      if (server % BLOCK_SERVERS >= servers) continue;
      out.set(new Float32Array(aligned(bytes, at, at + width * FLOAT)), (step - from) * width);
    }
    return out;
  }

  readForecasts(step: number, horizon: number): StoredForecasts | undefined {
    const parts: Float32Array[] = [];
    for (let block = 0; ; block++) {
      const bytes = this.#forecasts.getBinaryFast([horizon, step, block]);
      if (bytes === undefined) break;
      parts.push(new Float32Array(aligned(bytes, 0, bytes.length)));
    }
    if (parts.length === 0) return undefined;
    const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
    return { step, horizon, values };
  }

  readServerForecasts(server: number, horizon: number, from: number, to: number): Float32Array {
    const width = this.#quantiles;
    const out = new Float32Array((to - from) * width).fill(Number.NaN);
    const at = (server % BLOCK_SERVERS) * width * FLOAT;
    for (let step = from; step < to; step++) {
      const bytes = this.#forecasts.getBinaryFast([horizon, step, Math.floor(server / BLOCK_SERVERS)]);
      if (bytes === undefined || bytes.length < at + width * FLOAT) continue;
      out.set(new Float32Array(aligned(bytes, at, at + width * FLOAT)), (step - from) * width);
    }
    return out;
  }

  records(name: string): StoredRecords {
    const records = this.#records;
    return {
      get: (key) => records.get([name, key]),
      put: (key, value) => this.#write([() => records.putSync([name, key], value)]),
      delete: (key) => this.#write([() => records.removeSync([name, key])]),
      keys: () => {
        const found = [...records.getKeys({ start: [name, ''], end: [`${name}\u0001`, ''] })];
        return found.filter(([owner]) => owner === name).map(([, key]) => key);
      },
    };
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  /**
   * Writes in transactions of a few blocks each, between which the event loop is free. They are committed here and not by
   * lmdb's own thread: when the disk is full, that thread rejects promises that no caller can catch.
   */
  async #write(writes: readonly (() => void)[]): Promise<void> {
    for (let from = 0; from < writes.length; from += WRITES_AT_ONCE) {
      if (from > 0) await setImmediate();
      const part = writes.slice(from, from + WRITES_AT_ONCE);
      const isLast = from + WRITES_AT_ONCE >= writes.length;
      this.#root.transactionSync(
        () => {
          for (const write of part) write();
        },
        this.#flush && isLast
          ? ABORTABLE | SYNCHRONOUS_COMMIT
          : ABORTABLE | SYNCHRONOUS_COMMIT | NO_SYNC_FLUSH,
      );
    }
  }

  /** The history of one model is useless to another. */
  #checkLayout(model: FleetModel): void {
    const layout = {
      layout: LAYOUT,
      stepMinutes: model.stepMinutes,
      metrics: model.metrics.map(({ name }) => name),
      categories: model.categories.map(({ name, codes }) => ({ name, codes })),
      target: model.target,
      quantiles: model.quantiles,
    };
    const found = this.#root.get('layout');
    if (found === undefined) {
      this.#root.putSync('layout', layout);
      return;
    }
    if (JSON.stringify(found) === JSON.stringify(layout)) return;
    void this.#root.close();
    throw new TFTError(
      'ERR_TFT_OPTION',
      `data: ${this.#path} holds the history of a model with other metrics, categories or steps; name another folder`,
      { details: { found, expected: layout } },
    );
  }

  #place(place: number, server: StoredServer): void {
    const before = this.#list[place];
    if (before !== undefined && before.name !== server.name) this.#places.delete(before.name);
    this.#list[place] = server;
    if (server.name !== '') this.#places.set(server.name, place);
  }

  #count(step: number): void {
    this.#steps++;
    const { oldest = step, newest = step } = this.#range ?? {};
    this.#range = { oldest: Math.min(oldest, step), newest: Math.max(newest, step) };
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A copy: LMDB's buffer is valid until the next read only, and may not be aligned. */
function aligned(bytes: Buffer, from: number, to: number): ArrayBuffer {
  return new Uint8Array(bytes.subarray(from, to)).buffer;
}
