// The progress of a build on a terminal: per cent of the whole, and what TensorRT is at.
import type { BuildProgress } from '../index.js';
import { printable, type Screen } from './console.js';
import { startProgress } from './progress.js';

const WIDEST_PHASE = 40;

export function buildBar(screen: Screen): { onProgress(progress: BuildProgress): void; stop(): void } {
  const bar = startProgress(screen, 'building');
  return {
    onProgress({ stage, phase, share }) {
      const note = stage === 'waiting' ? `waiting for ${phase}, which builds it` : phase;
      bar.update(Math.round(share * 1000), 1000, printable(note).slice(0, WIDEST_PHASE));
    },
    stop: bar.stop,
  };
}
