// Loads the engine of a command: one that has to be built first shows how far it is, Ctrl-C calls it off, and warnings are
// passed on.
import { TFTEngine } from '../index.js';
import { buildBar } from './build-bar.js';
import type { Console } from './console.js';
import { interruptible } from './interrupt.js';
import type { EngineOptions } from './shared-options.js';

/** @throws TFTError as `TFTEngine.load`. */
export async function loadEngine(
  bundle: string,
  { backend, threads, precision, check }: Omit<EngineOptions, 'model'>,
  { err }: Console,
): Promise<TFTEngine> {
  const bar = buildBar(err);
  try {
    return await interruptible((signal) =>
      TFTEngine.load(bundle, {
        backend,
        threads,
        precision,
        check,
        signal,
        onProgress: bar.onProgress,
        log: (entry) => {
          if (entry.level === 'warn') bar.log(entry);
        },
      }),
    );
  } finally {
    bar.stop();
  }
}
