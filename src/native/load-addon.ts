// Loads the native addon: the prebuilt one for this platform, or one that was built here.
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { TFTError } from '../contract/errors.js';
import type { Addon } from './addon.js';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

let addon: Addon | undefined;

/** The file that `loadAddon` loads. @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE when there is none. */
export function findAddon(): string {
  const { path } = createRequire(import.meta.url)('node-gyp-build') as { path(folder: string): string };
  try {
    return path(PACKAGE);
  } catch (cause) {
    throw unavailable(`the native addon is not here for ${process.platform}-${process.arch}`, cause);
  }
}

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE. */
export function loadAddon(): Addon {
  if (addon) return addon;
  const file = findAddon();
  try {
    addon = createRequire(import.meta.url)(file) as Addon;
  } catch (cause) {
    throw unavailable(`the native addon ${file} does not load: ${(cause as Error).message}`, cause);
  }
  addon.useImmediate(setImmediate);
  // process.exit() does not notify the addons of the main thread, and libraries must not be unloaded during a run. (The
  // addons of a worker are notified.) Prepended, because an earlier listener that calls process.exit() would keep it
  // from running.
  if (isMainThread) process.prependListener('exit', addon.shutDown);
  return addon;
}

function unavailable(problem: string, cause: unknown): TFTError {
  return new TFTError(
    'ERR_TFT_BACKEND_UNAVAILABLE',
    `${problem}, so TensorRT cannot be used; 'npm run build:native' in a clone of the repository builds it ` +
      '(a C++20 compiler, CMake and cargo are needed)',
    { cause },
  );
}
