// Progress where standard error is no terminal: nothing of short work, a line now and then of long work.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Screen } from '../../src/cli/console.js';
import { startProgress } from '../../src/cli/progress.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function log(): { screen: Screen; written: string[] } {
  const written: string[] = [];
  const screen = { isTerminal: false, write: async (text: string) => void written.push(text) };
  return { screen: screen as unknown as Screen, written };
}

test('work of two seconds, and work that is done, say nothing', () => {
  const { screen, written } = log();
  const progress = startProgress(screen, 'reading');
  vi.advanceTimersByTime(1999);
  progress.update(1, 10);
  vi.advanceTimersByTime(1);
  progress.update(10, 10);
  progress.update(5, undefined);
  progress.stop();
  expect(written).toEqual([]);
});

test('longer work says how far it is after two seconds, and then every ten', () => {
  const { screen, written } = log();
  const progress = startProgress(screen, 'forecasting');
  for (let second = 1; second <= 23; second++) {
    vi.advanceTimersByTime(1000);
    progress.update(second, 30, second > 20 ? 'nearly there' : undefined);
  }
  expect(written).toEqual(['forecasting: 6 %\n', 'forecasting: 40 %\n', 'forecasting: 73 %, nearly there\n']);
});
