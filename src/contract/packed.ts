// What this package brings along under a name instead of a path: models and column maps.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { MODEL_FILE } from './names.js';
import { ownFile } from './own-package.js';

const NAME = /^[\w-]+$/;

/** The folder of a packed model, such as 'demo'; undefined for any other text, and if a bundle is at that path. */
export function packedModel(name: string): string | undefined {
  if (!NAME.test(name) || existsSync(resolve(name, MODEL_FILE))) return undefined;
  return found(`models/${name}`, MODEL_FILE);
}

/** The file of a packed column map, such as 'bitbrains'; undefined for any other text, and where a file has that very path. */
export function packedMap(name: string): string | undefined {
  if (!NAME.test(name) || existsSync(resolve(name))) return undefined;
  return found(`maps/${name}.json`);
}

function found(path: string, inside?: string): string | undefined {
  const full = ownFile(path);
  return existsSync(inside === undefined ? full : resolve(full, inside)) ? full : undefined;
}
