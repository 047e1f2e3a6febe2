// The folder of the engine cache, and the errors of a folder that cannot be used.
import { lstat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { TFTError } from '../contract/errors.js';

/**
 * The folder of the engine cache: the option's, else TFT_CACHE's, else in XDG_CACHE_HOME, else in ~/.cache. A relative
 * XDG_CACHE_HOME is ignored, as its specification requires: plans are code, and must not come from the current folder.
 *
 * @throws TFTError ERR_TFT_CACHE if none is given and the user has no home folder.
 */
export function engineFolder(option?: string): string {
  const { TFT_CACHE, XDG_CACHE_HOME } = process.env;
  const named =
    option ||
    TFT_CACHE ||
    (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) && join(XDG_CACHE_HOME, 'tft-tensorrt'));
  return resolve(named || join(homeFolder(), '.cache', 'tft-tensorrt'), 'engines');
}

/** A user of a container may have neither HOME nor an entry among the users. */
function homeFolder(): string {
  try {
    const home = homedir();
    if (isAbsolute(home)) return home;
  } catch {
    // Reported below.
  }
  throw new TFTError(
    'ERR_TFT_CACHE',
    'there is no folder for the engine cache, because this user has no home folder; name one with the option cache or the variable TFT_CACHE',
  );
}

/**
 * The reason why users other than this one (and root) may change a file; undefined if they may not, or if that cannot be
 * determined. A plan is code: a user who can change it controls this process.
 */
export async function foreignHand(path: string): Promise<string | undefined> {
  const own = process.getuid?.();
  if (own === undefined) return undefined;
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isSymbolicLink()) return `${path} is a link`;
  if (found.uid !== own && found.uid !== 0) return `${path} belongs to user ${found.uid}`;
  const mode = found.mode & 0o777;
  return (mode & 0o022) === 0 ? undefined : `others may write to ${path} (mode ${mode.toString(8)})`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'the permission is missing',
  EPERM: 'it is not permitted',
  ENOTDIR: 'a part of its path is not a folder',
  ENOENT: 'it does not exist and cannot be created',
};

/** Turns an error of the file system into ERR_TFT_CACHE; returns other errors as they are. */
export function cacheError(error: unknown, folder: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || error instanceof TFTError || code === undefined) return error;
  return new TFTError(
    'ERR_TFT_CACHE',
    `the engine cache ${folder} cannot be used: ${REASONS[code] ?? message} (${code}); make room or name another ` +
      `with the option cache or the variable TFT_CACHE, or 'tft cache prune'`,
    { cause: error, details: { folder, reason: code } },
  );
}
