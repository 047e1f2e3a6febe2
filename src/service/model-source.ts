// Which model to load, and its version: a bundle or plan as it stands, or of a folder of versions the newest.
import { readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { locate } from '../contract/locate.js';

const VERSION = /^[1-9]\d{0,9}$/;

/** What to give to TFTEngine.load. */
export interface ModelSource {
  readonly path: string;
  /** '1' where nothing says otherwise. */
  readonly version: string;
}

/**
 * Looks at the model's path now; what is there may have changed since the last look.
 *
 * A folder with subfolders 1, 2, 3 … is a folder of versions, as Triton has them. Else the version is the folder's
 * own name, links followed, where that is a number.
 *
 * @throws TFTError ERR_TFT_MODEL_NOT_FOUND.
 */
export function findModel(path: string): ModelSource {
  const located = locate(path);
  if (located.kind !== 'bundle') return { path, version: '1' };
  const real = realpathSync(located.directory);
  const entries = readdirSync(real, { withFileTypes: true });
  const versions = entries
    .filter((entry) => VERSION.test(entry.name) && (entry.isDirectory() || entry.isSymbolicLink()))
    .map(({ name }) => Number(name));
  if (versions.length > 0 && !located.isDescribed) {
    const version = String(Math.max(...versions));
    return { path: join(real, version), version };
  }
  const name = basename(real);
  // The real path: a link that is turned to another version must not change files under an engine that loads.
  return { path: real, version: VERSION.test(name) ? name : '1' };
}
