// A progress bar on standard error, only if that is a terminal.
import { Presets, SingleBar } from 'cli-progress';
import type { Screen } from './console.js';

/** Work shorter than this shows no bar. */
const PATIENCE_MS = 400;

export interface Progress {
  /** `note` is shown after the bar. */
  update(done: number, total: number | undefined, note?: string): void;
  stop(): void;
  /** Whether a bar is shown. Nothing else may be written then. */
  readonly isShown: boolean;
}

/** `title` is a verb: 'reading'. */
export function startProgress(screen: Screen, title: string): Progress {
  if (!screen.isTerminal) return { update() {}, stop() {}, isShown: false };
  const begin = performance.now();
  let bar: SingleBar | undefined;
  return {
    update(done, total, note = '') {
      if (total === undefined || performance.now() - begin < PATIENCE_MS) return;
      if (bar === undefined) {
        const format = `${title} {bar} {percentage} % {note}`;
        bar = new SingleBar({ format, hideCursor: true, clearOnComplete: true }, Presets.shades_grey);
        bar.start(total, done, { note });
      }
      bar.update(done, { note });
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
    get isShown() {
      return bar !== undefined;
    },
  };
}
