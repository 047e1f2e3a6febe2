// Writes files that are either complete or absent, even if the process is killed or the power fails meanwhile: under a
// temporary name in the same folder, synced, renamed, and then the folder is synced.
import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const TEMPORARY = /^\.tft-[0-9a-f]{12}\.tmp$/;
/** Writing one file takes seconds. An older temporary file was left by a process that died. */
const LEFT_OVER_MS = 10 * 60_000;

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EIO', 'EMLINK']);
const NO_FOLDER_SYNC: ReadonlySet<string> = new Set([
  ...['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EACCES', 'EISDIR', 'EBADF'],
]);

/** Writes a file, replacing one of the same name at once. @throws what the file system throws. */
export async function writeDurably(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeSynced(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Atomically creates a file unless one of that name exists: of several concurrent calls one succeeds. The file is not
 * synced, so this is for files that lose their meaning in a power failure.
 *
 * @returns whether this call created it.
 */
export async function createExclusively(path: string, content: string): Promise<boolean> {
  const temporary = temporaryBeside(path);
  try {
    await writeFile(temporary, content, { flag: 'wx' });
    try {
      await link(temporary, path);
    } catch (error) {
      if (!isOneOf(error, NO_LINKS)) throw error;
      // This file system has no hard links (exFAT, SMB, many container mounts). Creation is still exclusive, but for a
      // moment a reader may find the file incomplete.
      await writeFile(path, content, { flag: 'wx' });
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** Makes renames and removals in a folder survive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Some file systems (CIFS, vboxsf, FUSE) and Windows cannot sync a folder; the written data is still visible.
    if (!isOneOf(error, NO_FOLDER_SYNC)) throw error;
  }
}

function isOneOf(error: unknown, codes: ReadonlySet<string>): boolean {
  return codes.has((error as NodeJS.ErrnoException).code ?? '');
}

/** Temporary files in a folder whose writers must be dead by now; with `all`, all temporary files. */
export async function leftOvers(folder: string, all = false): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info && (all || Date.now() - info.mtimeMs > LEFT_OVER_MS)) found.push(path);
  }
  return found;
}

/** A temporary name in the same folder. */
export function temporaryBeside(path: string): string {
  if (basename(path) === '') throw new Error(`${path} names no file`);
  return join(dirname(path), `.tft-${randomBytes(6).toString('hex')}.tmp`);
}

async function writeSynced(path: string, content: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
