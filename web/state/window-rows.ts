// Which rows of a long table are in the document: those in view, some around them, and the one that has the focus.

export interface RowWindow {
  /** Indices from `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
}

/** Rows beyond the view on each side, so that quick scrolling shows no gap. */
const AROUND = 12;

/**
 * @param top pixels from the first row to the top of the view, negative above it.
 * @param height of the view in pixels.
 */
export function rowsInView(top: number, height: number, rowHeight: number, count: number): RowWindow {
  const first = Math.floor(top / rowHeight) - AROUND;
  const last = Math.ceil((top + height) / rowHeight) + AROUND;
  // Steps of a few rows, so that scrolling by a pixel changes nothing.
  const from = Math.min(Math.max(0, Math.floor(first / 4) * 4), Math.max(0, count - 1));
  return { from, to: Math.max(from, Math.min(count, Math.ceil(last / 4) * 4)) };
}

export interface Stretch extends RowWindow {
  /** Whether the rows are left out, and only their height is there. */
  readonly isGap: boolean;
}

/** The table in stretches of rows and gaps; the row `kept` is there wherever it is. */
export function stretches({ from, to }: RowWindow, count: number, kept: number | undefined): Stretch[] {
  const shown: RowWindow[] = [{ from, to }];
  if (kept !== undefined && kept >= 0 && kept < count && (kept < from || kept >= to)) {
    const single = { from: kept, to: kept + 1 };
    if (kept < from) shown.unshift(single);
    else shown.push(single);
  }
  const all: Stretch[] = [];
  let at = 0;
  for (const each of shown) {
    if (each.from > at) all.push({ from: at, to: each.from, isGap: true });
    if (each.to > each.from) all.push({ ...each, isGap: false });
    at = each.to;
  }
  if (at < count) all.push({ from: at, to: count, isGap: true });
  return all;
}
