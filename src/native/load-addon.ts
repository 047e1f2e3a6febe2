// Loads the native addon: the prebuilt one for this platform, or one that was built here.
import { setImmediate } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import { isMusl } from '../contract/c-library.js';
import { TFTError } from '../contract/errors.js';
import { ownFile, ownRequire } from '../contract/own-package.js';
import type { Addon } from './addon.js';

let addon: Addon | undefined;

/** The file that `loadAddon` loads. @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE when there is none. */
export function findAddon(): string {
  const { path } = ownRequire()('node-gyp-build') as { path(folder: string): string };
  try {
    return path(ownFile('.'));
  } catch (cause) {
    throw unavailable(`the native addon is not here for ${platformName()}`, cause);
  }
}

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE. */
export function loadAddon(): Addon {
  if (addon) return addon;
  const file = findAddon();
  try {
    addon = ownRequire()(file) as Addon;
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
    `${problem}, so neither TensorRT nor the kernels for CPUs can be used; ` +
      `'node ${ownFile('scripts/build-native.mjs')}' builds it (a C++20 compiler, CMake and cargo are needed)`,
    { cause },
  );
}

/** With the C library, which decides whether a prebuilt addon loads: musl is Alpine's. */
function platformName(): string {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return `${name} (TensorRT is for Linux)`;
  return isMusl() ? `${name} with musl (it is prebuilt for glibc, as Debian, Ubuntu and RHEL have it)` : name;
}
