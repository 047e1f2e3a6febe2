// Explains why a server cannot be forecast: the length of its history, and the length needed.
import type { TFTErrorCode } from '../contract/errors.js';
import type { StepGrid } from './calendar.js';
import type { Coverage, SeriesShape } from './server-series.js';
import { formatTimestamp } from './timestamp.js';

type Incomplete = Exclude<Coverage, { kind: 'complete' }>;

/** @param end the window's last step; @param until the time after which rows were left out, or infinity. */
export function describeShortfall(
  coverage: Incomplete,
  end: number,
  shape: SeriesShape,
  grid: StepGrid,
  until: number,
): { code: TFTErrorCode; message: string } {
  const hours = (steps: number) =>
    `${Number(((grid.timeOf(steps) - grid.timeOf(0)) / 3_600_000).toFixed(1))} h`;
  const time = (step: number) => formatTimestamp(grid.timeOf(step));
  const { shortest } = shape;
  const needed = `${shortest} steps (${hours(shortest)}) are needed`;
  const fillable = `gaps of up to ${shape.maxGap} steps are filled`;
  const short = (message: string) => ({ code: 'ERR_TFT_HISTORY_SHORT' as const, message });
  switch (coverage.kind) {
    case 'none':
      return short(
        `has no usable row${Number.isFinite(until) ? ` until ${formatTimestamp(until)}` : ''}; ${needed}`,
      );
    case 'stale': {
      const missing = end - coverage.newest;
      return short(
        `its newest row, ${time(coverage.newest)}, is ${missing} steps before ${time(end)}; ${fillable}`,
      );
    }
    case 'short': {
      const has = end - coverage.oldest + 1;
      return short(
        `has ${has} steps (${hours(has)}) of history, from ${time(coverage.oldest)} to ${time(end)}; ${needed}`,
      );
    }
    case 'broken': {
      const { first, steps } = coverage.gap;
      const has = end - (first + steps) + 1;
      return short(
        `has ${has} steps (${hours(has)}) since a gap of ${steps} steps that ends before ` +
          `${time(first + steps)}; ${needed}, and ${fillable}`,
      );
    }
    case 'displaced':
      return {
        code: 'ERR_TFT_HISTORY_ORDER',
        message:
          `newer rows have replaced those needed for ${time(end)}; ` +
          'give that time as `until` before adding rows',
      };
  }
}
