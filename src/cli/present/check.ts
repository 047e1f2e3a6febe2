// What an engine gave for the bundle's sample windows, in a line.
import type { BatchCheck } from '../../entries/build.js';

export function describeCheck(check: readonly BatchCheck[] | undefined): string {
  if (check === undefined) return 'not checked against PyTorch';
  const largest = Math.max(...check.map((one) => one.largest));
  const within = Math.min(...check.map((one) => one.within));
  const batches = check.map(({ batch }) => batch).join(', ');
  return (
    `checked in batches of ${batches}: at most ${largest.toExponential(1)} of the spread from PyTorch, ` +
    `${Number((100 * within).toFixed(3))} % within 1 %`
  );
}
