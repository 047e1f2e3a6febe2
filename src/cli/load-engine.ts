// Loads the engine for a command. If it must be built first, the progress is shown, and Ctrl-C cancels the build. Warnings
// are shown.
import { TFTEngine } from '../index.js';
import { buildBar } from './build-bar.js';
import type { Console } from './console.js';
import { interruptible } from './interrupt.js';
import type { EngineOptions } from './shared-options.js';

/** @throws TFTError as `TFTEngine.load`. */
export async function loadEngine(
  bundle: string,
  { backend, threads, precision, explain, check }: Omit<EngineOptions, 'model'>,
  { err }: Console,
): Promise<TFTEngine> {
  const bar = buildBar(err);
  try {
    return await interruptible((signal) =>
      TFTEngine.load(bundle, {
        backend,
        threads,
        precision,
        explain,
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
