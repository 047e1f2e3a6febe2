// The engine cache: a folder of plans NAME.engine with their records NAME.json. A record is written last and removed
// first, and a plan is used only if its hash is the one in the record, so an incomplete entry is never used.
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { leftOvers, syncFolder, writeDurably } from '../contract/durable-file.js';
import { type BuildLock, type LockHolder, tryLock } from './build-lock.js';
import { cacheError } from './cache-folder.js';
import {
  type EngineKey,
  type EngineRecord,
  entryName,
  isForGpuOf,
  namePrefix,
  readRecord,
} from './engine-record.js';
import { sha256OfFile } from './file-hash.js';
import { planOfRuntimeCache } from './runtime-cache.js';

/** An engine in the cache, verified. */
export interface CachedEngine {
  readonly path: string;
  readonly record: EngineRecord;
}

/** The content of an entry: an engine, a description of its damage, or undefined. */
export type Found = CachedEngine | { readonly damage: string } | undefined;

/** A plan is code: a user who may write here can run code in this process. */
const PRIVATE = 0o700;

/** The engines of one folder. All of it may be used by several processes at once. */
export class EngineCache {
  constructor(readonly folder: string) {}

  /** @throws TFTError ERR_TFT_CACHE if the folder cannot be read. */
  async find(key: EngineKey): Promise<Found> {
    const found = await this.examine(entryName(key));
    if (found && 'path' in found) {
      // The record's time says when the engine was last used. If it cannot be written it stays as it is.
      const now = new Date();
      await utimes(this.#recordPath(entryName(key)), now, now).catch(() => {});
    }
    return found;
  }

  /**
   * The engine of this key or, for the GPU here and TensorRT for RTX, one that was built for GPUs of its kind by name.
   *
   * @throws TFTError ERR_TFT_CACHE if the folder cannot be read.
   */
  async findToRun(key: EngineKey): Promise<Found> {
    const own = await this.find(key);
    if (own !== undefined || key.rtx === undefined || key.rtx.targets.length > 0) return own;
    const names = await readdir(this.folder).catch((): string[] => []);
    for (const name of names) {
      if (!name.startsWith(namePrefix(key)) || !name.endsWith('.json')) continue;
      const record = await readRecord(join(this.folder, name)).catch(() => undefined);
      if (typeof record !== 'object' || !isForGpuOf(record.key, key)) continue;
      const found = await this.find(record.key);
      if (found && 'path' in found) return found;
    }
    return undefined;
  }

  /** Reads and verifies an entry. @throws TFTError ERR_TFT_CACHE. */
  async examine(name: string): Promise<Found> {
    const path = this.planPath(name);
    try {
      const record = await readRecord(this.#recordPath(name));
      if (record === undefined) return undefined;
      if (typeof record === 'string') return { damage: record };
      if (entryName(record.key) !== name) return { damage: 'its record belongs to another engine' };
      const info = await stat(path).catch(() => undefined);
      if (info === undefined) return { damage: 'its plan is missing' };
      if (info.size !== record.plan.bytes) {
        return { damage: `its plan has ${info.size} bytes instead of ${record.plan.bytes}` };
      }
      if ((await sha256OfFile(path)) !== record.plan.sha256) {
        return { damage: "its plan's SHA-256 is not the record's" };
      }
      return { path, record };
    } catch (error) {
      throw cacheError(error, this.folder);
    }
  }

  /** Takes the lock of an engine, or returns its holder. @throws TFTError ERR_TFT_CACHE. */
  async tryLock(name: string): Promise<BuildLock | { heldBy: LockHolder | undefined }> {
    try {
      await mkdir(this.folder, { recursive: true, mode: PRIVATE });
      return await tryLock(join(this.folder, `${name}.lock`));
    } catch (error) {
      throw cacheError(error, this.folder);
    }
  }

  /**
   * Stores a plan. Only the holder of its lock may call this.
   *
   * @throws TFTError ERR_TFT_CACHE; the cache then has no engine of this name.
   */
  async publish(record: EngineRecord, plan: Uint8Array): Promise<CachedEngine> {
    const name = entryName(record.key);
    const path = this.planPath(name);
    try {
      await mkdir(this.folder, { recursive: true, mode: PRIVATE });
      for (const left of await leftOvers(this.folder)) await rm(left, { force: true });
      await rm(this.#recordPath(name), { force: true });
      await writeDurably(path, plan);
      await writeDurably(this.#recordPath(name), `${JSON.stringify(record, null, 2)}\n`);
      return { path, record };
    } catch (error) {
      await this.remove(name).catch(() => {});
      throw cacheError(error, this.folder);
    }
  }

  /** Replaces an engine's record. @throws TFTError ERR_TFT_CACHE. */
  async note(record: EngineRecord): Promise<void> {
    try {
      await writeDurably(this.#recordPath(entryName(record.key)), `${JSON.stringify(record, null, 2)}\n`);
    } catch (error) {
      throw cacheError(error, this.folder);
    }
  }

  /** Removes an engine, its record first. Only the holder of its lock may call this. @throws TFTError ERR_TFT_CACHE. */
  async remove(name: string): Promise<void> {
    try {
      await rm(this.#recordPath(name), { force: true });
      await syncFolder(this.folder);
      await rm(this.planPath(name), { force: true });
      for (const file of await readdir(this.folder))
        if (planOfRuntimeCache(file) === name) await rm(join(this.folder, file), { force: true });
    } catch (error) {
      throw cacheError(error, this.folder);
    }
  }

  planPath(name: string): string {
    return join(this.folder, `${name}.engine`);
  }

  #recordPath(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}
