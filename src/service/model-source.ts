// Finds the model to load and its version: a bundle or a plan, or the newest version in a folder of versions.
import { readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TFTError } from '../contract/errors.js';
import { locate } from '../contract/locate.js';

const VERSION = /^[1-9]\d{0,9}$/;

/** A path for TFTEngine.load. */
export interface ModelSource {
  readonly path: string;
  /** '1' if the path has no version. */
  readonly version: string;
}

/**
 * Resolves the model's path. Called for each load, since the contents may have changed.
 *
 * A folder with subfolders 1, 2, 3 … is a folder of versions, as in Triton. Otherwise the version is the name of the
 * folder, after following links, if that is a number.
 *
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND.
 */
export function findModel(path: string): ModelSource {
  const located = locate(path);
  if (located.kind !== 'bundle') return { path, version: '1' };
  const { real, entries } = look(located.directory);
  const versions = entries
    .filter((entry) => VERSION.test(entry.name) && (entry.isDirectory() || entry.isSymbolicLink()))
    .map(({ name }) => Number(name));
  if (versions.length > 0 && !located.isDescribed) {
    const version = String(Math.max(...versions));
    return { path: join(real, version), version };
  }
  const name = basename(real);
  // The real path, so that a link that is changed to another version does not change files while an engine loads.
  return { path: real, version: VERSION.test(name) ? name : '1' };
}

function look(directory: string) {
  try {
    const real = realpathSync(directory);
    return { real, entries: readdirSync(real, { withFileTypes: true }) };
  } catch (cause) {
    const message = `${directory} cannot be read: ${(cause as Error).message}`;
    throw new TFTError('ERR_TFT_MODEL_NOT_FOUND', message, { cause, details: { path: directory } });
  }
}
