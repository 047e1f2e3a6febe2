// The engine cache: a folder of plans, each NAME.engine with its record NAME.json. The record is written last and
// removed first, and a plan is used only when its hash is the record's, so nothing is ever half trusted.
import { mkdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { leftOvers, syncFolder, writeDurably } from '../contract/durable-file.js';
import { type BuildLock, type LockHolder, tryLock } from './build-lock.js';
import { cacheError } from './cache-folder.js';
import { type EngineKey, type EngineRecord, entryName, readRecord } from './engine-record.js';
import { sha256OfFile } from './file-hash.js';

/** An engine in the cache, verified. */
export interface CachedEngine {
  readonly path: string;
  readonly record: EngineRecord;
}

/** What there is under a name: an engine, what is wrong with one, or nothing. */
export type Found = CachedEngine | { readonly damage: string } | undefined;

/** A plan is code; whoever may write here runs in this process. */
const PRIVATE = 0o700;

/** The engines of one folder. All of it may be used by several processes at once. */
export class EngineCache {
  constructor(readonly folder: string) {}

  /** @throws TFTError ERR_TFT_CACHE where the folder cannot be read. */
  async find(key: EngineKey): Promise<Found> {
    const found = await this.examine(entryName(key));
    if (found && 'path' in found) {
      // The record's time is when it was last used. Where it cannot be written it stays.
      const now = new Date();
      await utimes(this.#recordPath(entryName(key)), now, now).catch(() => {});
    }
    return found;
  }

  /** Reads and verifies what there is under a name. @throws TFTError ERR_TFT_CACHE. */
  async examine(name: string): Promise<Found> {
    const path = this.planPath(name);
    try {
      const record = await readRecord(this.#recordPath(name));
      if (record === undefined) return undefined;
      if (typeof record === 'string') return { damage: record };
      if (entryName(record.key) !== name) return { damage: 'its record is of another engine' };
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

  /** Takes the lock of a key's engine, or says who holds it. @throws TFTError ERR_TFT_CACHE. */
  async tryLock(name: string): Promise<BuildLock | { heldBy: LockHolder | undefined }> {
    try {
      await mkdir(this.folder, { recursive: true, mode: PRIVATE });
      return await tryLock(join(this.folder, `${name}.lock`));
    } catch (error) {
      throw cacheError(error, this.folder);
    }
  }

  /**
   * Keeps a plan. For the holder of its lock.
   *
   * @throws TFTError ERR_TFT_CACHE; then there is no engine under this name.
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

  /** Removes an engine: its record first. For the holder of its lock. @throws TFTError ERR_TFT_CACHE. */
  async remove(name: string): Promise<void> {
    try {
      await rm(this.#recordPath(name), { force: true });
      await syncFolder(this.folder);
      await rm(this.planPath(name), { force: true });
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
