// The folder that engines are kept in, and the errors if it cannot be used.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { TFTError } from '../contract/errors.js';

/** The folder of engines: in `option`, else in TFT_CACHE, else `tft-tensorrt` in XDG_CACHE_HOME or ~/.cache. */
export function engineFolder(option?: string): string {
  const { TFT_CACHE, XDG_CACHE_HOME } = process.env;
  const root = option || TFT_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tft-tensorrt');
  return resolve(root, 'engines');
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'the permission is missing',
  EPERM: 'it is not permitted',
  ENOTDIR: 'a part of its path is no folder',
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
