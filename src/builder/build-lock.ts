// A lock file, so that two who want the same engine build it once, be they processes or threads.
//
// Its holder is known to be dead when its process is gone, or when it has shown no sign of life for a minute: the
// only way to tell of a thread that was ended, or of a process in another container that shares the folder. Nothing
// is lost should one be taken for dead that is not: two build, and either result is whole.
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { createExclusively, temporaryBeside } from '../contract/durable-file.js';

const SIGN_OF_LIFE_MS = 5_000;
/** A holder that has been silent for so long is dead. */
export const SILENCE_MS = 60_000;

const holderSchema = z.object({
  nonce: z.string(),
  pid: z.int().positive(),
  /** The process's start, which tells it from a later one of the same number. */
  started: z.string(),
  /** Where process numbers mean the same: the machine, its boot and its namespace of processes. */
  place: z.string(),
});

/** Who holds a lock. */
export type LockHolder = z.infer<typeof holderSchema>;

/** A lock that is held until it is released. */
export interface BuildLock {
  release(): Promise<void>;
}

/**
 * Takes a lock if it is free or its holder is dead.
 *
 * @returns the lock, or who holds it: undefined for one who cannot be read.
 * @throws what the file system throws where the lock cannot be written.
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

/** Whether a lock file's holder is dead, or there is none. */
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
      // Not one that somebody else took over in the belief that this process was dead.
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

/** Takes a dead holder's lock away, and no other that was put in its place meanwhile. */
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

/** When a process was started, in the kernel's ticks since boot; undefined where there is none of that number. */
function startOf(pid: number): string | undefined {
  try {
    // The second field is the program's name, which may hold blanks and parentheses.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A zombie holds nothing any more.
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
