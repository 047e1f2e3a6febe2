// Draws a backtest as SVG: how much less loss than the best naive forecast, with its interval, for each forecast, and for the
// model by horizon and by regime.
import { scaleLinear } from 'd3-scale';
import type { Backtest, TallyRow } from '../../entries/judging.js';
import { formatSpan } from './summary.js';
import { COLOURS, svgDocument, text } from './svg.js';

const WIDTH = 760;
const LABELS = 230;
const ROW = 22;
const TITLE = 30;
const MARGIN = 22;
/** Losses beyond this are drawn at the left edge. */
const LOWEST = -0.5;

interface Row {
  readonly label: string;
  readonly figures: TallyRow;
}

/** The text of the SVG file. */
export function gainsSvg(result: Backtest): string {
  const model = (slice: { forecasts: readonly TallyRow[] }) => slice.forecasts[0] as TallyRow;
  const groups: (readonly [string, Row[]])[] = [
    ['forecasts', result.forecasts.map((figures) => ({ label: figures.name, figures }))],
    [
      `${result.model} by horizon`,
      result.horizons.map((slice) => ({ label: `+${formatSpan(slice.minutes)}`, figures: model(slice) })),
    ],
    [
      `${result.model} by regime`,
      result.regimes.map((slice) => ({
        label: `${slice.regime} (${slice.machines} server${slice.machines === 1 ? '' : 's'})`,
        figures: model(slice),
      })),
    ],
  ];
  const shown = groups.flatMap(([, rows]) => rows.map(({ figures }) => figures));
  const highest = Math.max(0.1, ...shown.map(({ gain, interval }) => interval?.[1] ?? gain ?? 0));
  const scale = scaleLinear([LOWEST, Math.ceil(highest * 10) / 10], [LABELS, WIDTH - MARGIN]).clamp(true);
  const parts = [
    text(MARGIN, 30, `${result.model} on ${result.target}: loss saved against the best naive forecast`, {
      size: 15,
      weight: 'bold',
    }),
  ];
  let y = 48;
  for (const [title, rows] of groups) {
    if (rows.length === 0) continue;
    y += TITLE;
    parts.push(text(MARGIN, y, title, { weight: 'bold' }));
    for (const { label, figures } of rows) {
      y += ROW;
      parts.push(text(MARGIN + 12, y, label), bar(figures, scale, y - 4));
    }
  }
  const bottom = y + 14;
  for (const tick of scale.ticks(5))
    parts.push(
      text(scale(tick), bottom + 16, tick === 0 ? 'best naive' : `${Math.round(tick * 100)} %`, {
        anchor: 'middle',
        fill: COLOURS.quiet,
      }),
    );
  const zero = scale(0);
  parts.push(`<path d="M${zero},56V${bottom}" stroke="${COLOURS.quiet}"/>`);
  return svgDocument(WIDTH, bottom + 34, parts);
}

/** The interval as a line and the gain as a point; nothing if naive forecasts have no loss. */
function bar({ gain, interval }: TallyRow, scale: (value: number) => number, y: number): string {
  if (gain === null) return '';
  const at = (value: number) => Math.round(scale(value) * 10) / 10;
  const [low, high] = interval ?? [gain, gain];
  return (
    `<path d="M${at(low)},${y}H${at(high)}" stroke="${COLOURS.bands[2]}" stroke-width="4"/>` +
    `<circle cx="${at(gain)}" cy="${y}" r="4.5" fill="${COLOURS.median}"/>`
  );
}
