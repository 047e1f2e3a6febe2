// Progress on standard error: a bar on a terminal; elsewhere, such as in a log, a line now and then.
import { Presets, SingleBar } from 'cli-progress';
import type { Screen } from './console.js';

/** Work shorter than this shows no bar. */
const PATIENCE_MS = 400;
/** Where there is no terminal, the time to the first line, and from one to the next. */
const FIRST_LINE_MS = 2000;
const NEXT_LINE_MS = 10_000;

export interface Progress {
  /** `note` is shown after the bar. */
  update(done: number, total: number | undefined, note?: string): void;
  stop(): void;
  /** Whether a bar is shown. Nothing else may be written then. */
  readonly isShown: boolean;
}

/** `title` is a verb: 'reading'. */
export function startProgress(screen: Screen, title: string): Progress {
  if (!screen.isTerminal) return lines(screen, title);
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

function lines(screen: Screen, title: string): Progress {
  let due = performance.now() + FIRST_LINE_MS;
  return {
    update(done, total, note = '') {
      const now = performance.now();
      if (total === undefined || done >= total || now < due) return;
      due = now + NEXT_LINE_MS;
      void screen.write(`${title}: ${Math.floor((100 * done) / total)} %${note === '' ? '' : `, ${note}`}\n`);
    },
    stop() {},
    isShown: false,
  };
}
