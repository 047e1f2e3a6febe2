// Shows a build: the lines of its log, and on a terminal a bar with the percentage done and TensorRT's current phase.
import type { BuildProgress, LogEntry } from '../index.js';
import { printable, type Screen } from './console.js';
import { startProgress } from './progress.js';

const MAX_PHASE_LENGTH = 40;

/** The display of a build. */
export interface BuildBar {
  onProgress(progress: BuildProgress): void;
  /** Writes a line of the log. While the bar is shown, lines are held back until it is gone. */
  log(entry: LogEntry): void;
  stop(): void;
}

/** With `verbose` every line of the log is written and there is no bar. */
export function buildBar(screen: Screen, verbose = false): BuildBar {
  const bar = startProgress(verbose ? { ...screen, isTerminal: false } : screen, 'building');
  const waiting: string[] = [];
  return {
    onProgress({ stage, phase, share }) {
      const note = stage === 'waiting' ? `waiting for ${phase}, which builds it` : phase;
      bar.update(Math.round(share * 1000), 1000, printable(note).slice(0, MAX_PHASE_LENGTH));
    },
    log({ level, message }) {
      if (!verbose && level === 'debug') return;
      const label = level === 'warn' || level === 'error' ? `${screen.paint('yellow', 'warning:')} ` : '';
      const line = `${label}${printable(message)}\n`;
      if (bar.isShown) waiting.push(line);
      else void screen.write(line);
    },
    stop() {
      bar.stop();
      for (const line of waiting.splice(0)) void screen.write(line);
    },
  };
}
