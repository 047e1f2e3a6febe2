// Maintenance of the engine cache: listing, verifying and pruning.
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { leftOvers } from '../contract/durable-file.js';
import { isDeadLock } from './build-lock.js';
import { checkCacheFile } from './cache-file.js';
import { cacheError } from './cache-folder.js';
import { EngineCache } from './engine-cache.js';
import { type EngineRecord, entryName, isEntryName, readRecord } from './engine-record.js';
import { planOfRuntimeCache } from './runtime-cache.js';

/** An entry of the cache. */
export interface CacheEntry {
  readonly kind: 'engine' | 'run-time cache' | 'timing cache' | 'left over';
  readonly name: string;
  readonly bytes: number;
  readonly lastUsed: Date;
  /** The engine's record, if it can be read. */
  readonly record?: EngineRecord;
  /** What is wrong with the entry; undefined if nothing is. */
  readonly damage?: string;
}

/** What to remove in addition to leftovers of dead processes and damaged entries. */
export interface PruneOptions {
  /** Engines that have not been used for this many milliseconds. */
  readonly olderThanMs?: number | undefined;
  /** The least recently used engines, until the rest is not larger than this. */
  readonly maxBytes?: number | undefined;
  /** Everything, including files that are being written now. */
  readonly all?: boolean | undefined;
}

/** The result of pruning. */
export interface PruneResult {
  readonly removed: readonly CacheEntry[];
  /** Entries that were to be removed but are being built or replaced at this moment. */
  readonly busy: readonly CacheEntry[];
  /** The size of what is left. */
  readonly bytes: number;
}

/**
 * Lists a cache, engines first, the most recently used one at the top.
 *
 * @param verify whether to compare plans with their hashes, which reads all of them.
 * @throws TFTError ERR_TFT_CACHE if the folder cannot be read. A folder that does not exist is empty.
 */
export async function listCache(folder: string, verify = false): Promise<CacheEntry[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cacheError(error, folder);
  }
  const entries: CacheEntry[] = [];
  try {
    const cache = new EngineCache(folder);
    for (const name of names) {
      const [, engine] = /^(.+)\.json$/.exec(name) ?? [];
      if (engine && isEntryName(engine)) entries.push(await engineEntry(cache, engine, verify));
      else if (name.startsWith('timing-')) entries.push(await hashedEntry('timing cache', folder, name));
      else if (planOfRuntimeCache(name) !== undefined) entries.push(await runtimeEntry(folder, name, names));
      else if (await isLeftOver(folder, name, names))
        entries.push(await entryOf('left over', folder, [name]));
    }
    for (const path of await leftOvers(folder)) {
      entries.push(await entryOf('left over', folder, [path.slice(folder.length + 1)]));
    }
  } catch (error) {
    throw cacheError(error, folder);
  }
  const order = ['engine', 'run-time cache', 'timing cache', 'left over'];
  return entries.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || b.lastUsed.getTime() - a.lastUsed.getTime(),
  );
}

/** Removes leftovers, damaged entries, and what the options name. @throws TFTError ERR_TFT_CACHE. */
export async function pruneCache(folder: string, options: PruneOptions = {}): Promise<PruneResult> {
  const entries = await listCache(folder, true);
  const removed: CacheEntry[] = [];
  const busy: CacheEntry[] = [];
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const take = async (entry: CacheEntry) => {
    if (removed.includes(entry) || busy.includes(entry)) return;
    if (!(await remove(folder, entry))) {
      busy.push(entry);
      return;
    }
    // An engine's run-time caches went with it.
    for (const gone of [entry, ...entries.filter(({ name }) => planOfRuntimeCache(name) === entry.name)]) {
      if (removed.includes(gone)) continue;
      removed.push(gone);
      bytes -= gone.bytes;
    }
  };
  const oldest = Date.now() - (options.olderThanMs ?? Number.POSITIVE_INFINITY);
  for (const entry of entries) {
    const unwanted = options.all || entry.kind === 'left over' || entry.damage !== undefined;
    const isOld = entry.lastUsed.getTime() < oldest && entry.kind !== 'run-time cache';
    if (unwanted || isOld) await take(entry);
  }
  const byAge = entries.filter(({ kind }) => kind === 'engine').reverse();
  for (const entry of byAge) if (bytes > (options.maxBytes ?? Number.POSITIVE_INFINITY)) await take(entry);
  if (options.all && entries.length > 0) {
    for (const path of await leftOvers(folder, true)) await rm(path, { force: true });
  }
  return { removed, busy, bytes };
}

async function engineEntry(cache: EngineCache, name: string, verify: boolean): Promise<CacheEntry> {
  const record = await readRecord(join(cache.folder, `${name}.json`));
  const entry = await entryOf('engine', cache.folder, [`${name}.json`, `${name}.engine`]);
  if (typeof record === 'string') return { ...entry, name, damage: record };
  if (record === undefined || entryName(record.key) !== name) {
    return { ...entry, name, damage: 'its record belongs to another engine' };
  }
  const found = verify ? await cache.examine(name) : undefined;
  const damage = found && 'damage' in found ? { damage: found.damage } : {};
  return { ...entry, name, record, ...damage };
}

/** The run-time cache of an engine, or one that an engine left. */
async function runtimeEntry(folder: string, name: string, names: readonly string[]): Promise<CacheEntry> {
  const isUsed = names.includes(`${planOfRuntimeCache(name)}.json`);
  return isUsed ? hashedEntry('run-time cache', folder, name) : entryOf('left over', folder, [name]);
}

async function hashedEntry(kind: CacheEntry['kind'], folder: string, name: string): Promise<CacheEntry> {
  const entry = await entryOf(kind, folder, [name]);
  const whole = checkCacheFile(await readFile(join(folder, name)));
  return whole ? entry : { ...entry, damage: 'its SHA-256 is not the one in its head' };
}

/** Whether an entry is a leftover: a plan without a record or a lock file, with no living holder. */
async function isLeftOver(folder: string, name: string, names: readonly string[]): Promise<boolean> {
  const [, stem = '', extension] = /^(.+)\.(engine|lock)$/.exec(name) ?? [];
  if (
    extension === undefined ||
    !isEntryName(stem) ||
    (extension === 'engine' && names.includes(`${stem}.json`))
  )
    return false;
  return isDeadLock(join(folder, `${stem}.lock`));
}

async function entryOf(
  kind: CacheEntry['kind'],
  folder: string,
  names: readonly string[],
): Promise<CacheEntry> {
  let bytes = 0;
  let lastUsed = new Date(0);
  for (const [index, name] of names.entries()) {
    const info = await stat(join(folder, name)).catch(() => undefined);
    bytes += info?.size ?? 0;
    // An engine's record is touched when the engine is used, so its time counts.
    if (index === 0 && info) lastUsed = info.mtime;
  }
  return { kind, name: names[0] as string, bytes, lastUsed };
}

/** @returns whether it was removed; false while it is being built. */
async function remove(folder: string, { kind, name }: CacheEntry): Promise<boolean> {
  try {
    const isOneFile = kind.endsWith('cache') || planOfRuntimeCache(name) !== undefined;
    if (isOneFile || name.endsWith('.tmp')) {
      await rm(join(folder, name), { force: true });
      return true;
    }
    const stem = name.replace(/\.(engine|lock)$/, '');
    const cache = new EngineCache(folder);
    const lock = await cache.tryLock(stem);
    if (!('release' in lock)) return false;
    try {
      const isOrphan = kind === 'left over' && (await cache.examine(stem)) !== undefined;
      if (!isOrphan) await cache.remove(stem);
    } finally {
      await lock.release();
    }
    return true;
  } catch (error) {
    throw cacheError(error, folder);
  }
}
