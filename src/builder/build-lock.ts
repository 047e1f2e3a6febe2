// A lock file, so that processes or threads that need the same engine build it only once.
//
// A holder counts as dead when its process has ended, or when it has not refreshed its lock for a minute: nothing else
// reveals that a thread was terminated, or that a process died in another container that shares the folder. If a holder
// is wrongly taken for dead, two builds run, and either result is complete.
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { createExclusively, temporaryBeside } from '../contract/durable-file.js';

const SIGN_OF_LIFE_MS = 5_000;
/** A holder that has not refreshed its lock for this long is dead. */
export const SILENCE_MS = 60_000;

const holderSchema = z.object({
  nonce: z.string(),
  pid: z.int().positive(),
  /** When the process was started: distinguishes it from a later process with the same number. */
  started: z.string(),
  /** The scope of process numbers: the machine, its boot and its process namespace. */
  place: z.string(),
});

/** The holder of a lock. */
export type LockHolder = z.infer<typeof holderSchema>;

/** A lock that is held until it is released. */
export interface BuildLock {
  release(): Promise<void>;
}

/**
 * Takes a lock if it is free or its holder is dead.
 *
 * @returns the lock, or its holder, which is undefined if the file cannot be read.
 * @throws what the file system throws if the lock cannot be written.
 */
export async function tryLock(path: string): Promise<BuildLock | { heldBy: LockHolder | undefined }> {
  const nonce = randomBytes(12).toString('hex');
  const own: LockHolder = { nonce, ...processIdentity() };
  for (;;) {
    if (await createExclusively(path, JSON.stringify(own))) return hold(path, nonce);
    const found = await readLock(path);
    if (found === undefined) continue;
    if (isAlive(found)) return { heldBy: found.holder };
    await moveAway(path, found.text);
  }
}

/** Whether a lock file's holder is dead, or the file does not exist. */
export async function isDeadLock(path: string): Promise<boolean> {
  const found = await readLock(path);
  return found === undefined || !isAlive(found);
}

function hold(path: string, nonce: string): BuildLock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, SIGN_OF_LIFE_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      // Only our own: another process may have taken the lock over, believing that this one was dead.
      if ((await readLock(path))?.holder?.nonce === nonce) await rm(path, { force: true });
    },
  };
}

interface FoundLock {
  readonly text: string;
  readonly holder: LockHolder | undefined;
  readonly silentMs: number;
}

async function readLock(path: string): Promise<FoundLock | undefined> {
  try {
    const [text, { mtimeMs }] = [await readFile(path, 'utf8'), await stat(path)];
    return { text, holder: parseHolder(text), silentMs: Date.now() - mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isAlive({ holder, silentMs }: FoundLock): boolean {
  if (silentMs > SILENCE_MS) return false;
  if (holder === undefined || holder.place !== place()) return true;
  return startOf(holder.pid) === holder.started;
}

/** Removes a dead holder's lock, but not one that replaced it meanwhile. */
async function moveAway(path: string, dead: string): Promise<void> {
  const aside = temporaryBeside(path);
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await readFile(aside, 'utf8').catch(() => dead);
  if (moved !== dead) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

function processIdentity(): Pick<LockHolder, 'pid' | 'started' | 'place'> {
  return { pid: process.pid, started: startOf(process.pid) ?? '', place: place() };
}

/** When a process was started, in the kernel's ticks since boot; undefined if there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    // The second field is the program's name, which may contain blanks and parentheses.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A zombie holds nothing.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function place(): string {
  return [hostname(), attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())]
    .concat(attempt(() => readlinkSync('/proc/self/ns/pid')))
    .join(' ');
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
