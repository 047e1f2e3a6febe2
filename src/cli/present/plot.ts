// Draws forecasts as SVG: a small panel for each server, with its history and its quantile bands.
import { type ScaleLinear, type ScaleTime, scaleLinear, scaleUtc } from 'd3-scale';
import { area, line } from 'd3-shape';
import { utcFormat } from 'd3-time-format';
import { formatTimestamp, timeAfter } from '../../entries/history.js';
import type { FleetForecast, ModelDescription, ServerForecast } from '../../index.js';
import {
  bandOf,
  decimalsFor,
  describeTidying,
  formatSpan,
  nestedBands,
  percent,
  shownSteps,
  targetTitle,
  targetUnit,
} from './summary.js';
import { COLOURS, escaped, svgDocument, text } from './svg.js';

export interface PlotOptions {
  /** The largest number of panels. Further servers are left out, and the picture says so. */
  maxPanels: number;
}

const INSET = { top: 40, right: 14, bottom: 24, left: 42 };
const GAP = 14;
const MARGIN = 22;
const HEADER = 78;

const NOW_LINE = `stroke="${COLOURS.quiet}" stroke-dasharray="3 3"`;

interface Size {
  readonly width: number;
  readonly height: number;
}
interface Point {
  time: number;
  value: number;
}
interface Interval {
  time: number;
  low: number;
  high: number;
}

/** The text of the SVG file, with panels in the order of the forecasts. */
export function plotSvg(fleet: FleetForecast, { maxPanels }: PlotOptions): string {
  const shown = fleet.forecasts.slice(0, maxPanels);
  const { columns, size } = layout(shown.length);
  const rows = Math.ceil(shown.length / columns);
  const width = 2 * MARGIN + columns * size.width + (columns - 1) * GAP;
  const height = HEADER + rows * (size.height + GAP) - GAP + MARGIN;
  const panels = shown.map((forecast, index) => {
    const x = MARGIN + (index % columns) * (size.width + GAP);
    const y = HEADER + Math.floor(index / columns) * (size.height + GAP);
    return panel(forecast, fleet.model, size, x, y);
  });
  return svgDocument(width, height, [header(fleet, shown.length, width), ...panels]);
}

/** Fewer panels are larger. */
function layout(panels: number): { columns: number; size: Size } {
  if (panels <= 1) return { columns: 1, size: { width: 760, height: 360 } };
  if (panels <= 4) return { columns: 2, size: { width: 480, height: 250 } };
  const columns = panels <= 9 ? 3 : panels <= 20 ? 4 : 5;
  return { columns, size: { width: 340, height: 196 } };
}

function header(fleet: FleetForecast, shown: number, width: number): string {
  const { model, forecasts, simulated } = fleet;
  const span = formatSpan(model.horizon * model.stepMinutes);
  const number = forecasts.length;
  const servers =
    shown < number ? `${shown} of ${number} servers` : `${number} server${number === 1 ? '' : 's'}`;
  const single = shown === 1;
  const title = `${targetTitle(model)}, the next ${span}${number === 1 ? '' : ` of ${servers}`}`;
  const starts = new Set(forecasts.map(({ start }) => start.getTime()));
  const { low, high } = bandOf(model.quantiles);
  const notes = [
    starts.size === 1 ? `from ${formatTimestamp([...starts][0] ?? 0)}` : 'each from its own newest row',
    'times in UTC',
    `in brackets ${percent(model.quantiles[low])}–${percent(model.quantiles[high])} %`,
    describeTidying(fleet),
    single ? '' : 'each panel has its own scale',
  ].filter((note) => note !== '');
  const parts = [
    text(MARGIN, 30, title, { size: 16, weight: 'bold' }),
    text(MARGIN, 49, notes.join(' · '), { fill: COLOURS.quiet }),
    legend(model, MARGIN, 66),
  ];
  if (simulated) {
    const style = { anchor: 'end', size: 12, weight: 'bold', fill: COLOURS.simulated } as const;
    // Below the title if there is one narrow panel, which leaves no room beside it.
    parts.push(text(width - MARGIN, single ? 49 : 30, 'Simulated data', style));
  }
  return parts.join('\n');
}

function legend(model: ModelDescription, x: number, y: number): string {
  const parts: string[] = [];
  let at = x;
  const entry = (symbol: (left: number) => string, label: string) => {
    parts.push(symbol(at), text(at + 22, y, label, { size: 10, fill: COLOURS.quiet }));
    at = Math.round(at + 22 + textWidth(label, 10) + 12);
  };
  const stroke = (colour: string, thickness: number) => (left: number) =>
    `<path d="M${left},${y - 4}h16" stroke="${colour}" stroke-width="${thickness}"/>`;
  entry(stroke(COLOURS.history, 1.2), 'history');
  entry(stroke(COLOURS.median, 2), 'median');
  entry((left) => `<path d="M${left + 8},${y - 10}v12" ${NOW_LINE}/>`, 'now');
  const bands = nestedBands(model.quantiles);
  for (const [index, { share }] of [...bands.entries()].reverse()) {
    entry(
      (left) => `<rect x="${left}" y="${y - 9}" width="16" height="10" fill="${bandColour(index)}"/>`,
      `${percent(share)} % band`,
    );
  }
  return parts.join('\n');
}

function panel(forecast: ServerForecast, model: ModelDescription, size: Size, x: number, y: number): string {
  const { server, values, start } = forecast;
  const count = model.quantiles.length;
  const first = start.getTime();
  const past: Point[] = Array.from(forecast.history, (value, index) => ({
    time: timeAfter(model, first, index - forecast.history.length),
    value,
  }));
  const ahead = (column: number): Point[] =>
    Array.from({ length: model.horizon }, (_, index) => ({
      time: timeAfter(model, first, index),
      value: values[index * count + column] as number,
    }));

  const right = size.width - INSET.right;
  const bottom = size.height - INSET.bottom;
  const time = scaleUtc(
    [past[0]?.time ?? first, timeAfter(model, first, model.horizon - 1)],
    [INSET.left, right],
  );
  const value = scaleLinear(domain(forecast, model), [bottom, INSET.top]).nice(4);
  const band = area<Interval>()
    .x((point) => rounded(time(point.time)))
    .y0((point) => rounded(value(point.low)))
    .y1((point) => rounded(value(point.high)));
  const curve = line<Point>()
    .x((point) => rounded(time(point.time)))
    .y((point) => rounded(value(point.value)));

  const bands = nestedBands(model.quantiles).map(({ low, high }, index) => {
    const [from, to] = [ahead(low), ahead(high)];
    const points = from.map((point, at) => ({
      time: point.time,
      low: point.value,
      high: to[at]?.value ?? 0,
    }));
    return `<path d="${band(points) ?? ''}" fill="${bandColour(index)}"/>`;
  });
  const median = ahead(bandOf(model.quantiles).median);
  const now = rounded(time(timeAfter(model, first, -1)));
  return [
    `<g class="panel" transform="translate(${x},${y})">`,
    `<title>${escaped(server)}</title>`,
    text(INSET.left, 14, truncated(server, 12, right - INSET.left), { size: 12, weight: 'bold' }),
    text(INSET.left, 29, summary(forecast, model, value.domain()[1] ?? 0), { size: 10, fill: COLOURS.quiet }),
    valueAxis(value, targetUnit(model), right),
    timeAxis(time, right, bottom),
    ...bands,
    `<path d="M${now},${INSET.top}V${bottom}" ${NOW_LINE}/>`,
    `<path d="${curve(past) ?? ''}" fill="none" stroke="${COLOURS.history}" stroke-width="1.2" stroke-linejoin="round"/>`,
    `<path d="${curve(median) ?? ''}" fill="none" stroke="${COLOURS.median}" stroke-width="2" stroke-linejoin="round"/>`,
    '</g>',
  ].join('\n');
}

/** 'now 23.1 · +8 h 31.0 (20.4 – 44.2)' */
function summary({ history, values }: ServerForecast, model: ModelDescription, top: number): string {
  const { median, low, high } = bandOf(model.quantiles);
  const last = shownSteps(model.horizon).at(-1) ?? 0;
  const at = last * model.quantiles.length;
  const [middle, from, to] = [values[at + median], values[at + low], values[at + high]] as [
    number,
    number,
    number,
  ];
  const decimals = decimalsFor(top);
  const write = (value: number) => value.toFixed(decimals);
  const ahead = `+${formatSpan((last + 1) * model.stepMinutes)}`;
  return `now ${write(history.at(-1) ?? Number.NaN)} · ${ahead} ${write(middle)} (${write(from)} – ${write(to)})`;
}

/** The range of all values drawn, extended to zero if they are near it. It is never empty. */
function domain({ history, values }: ServerForecast, model: ModelDescription): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const series of [history, values]) {
    for (const value of series) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const minimum = model.metrics.find((metric) => metric.name === model.target)?.minimum;
  if (minimum !== undefined && low - minimum < 0.5 * (high - minimum)) low = Math.min(low, minimum);
  return high - low > 1e-6 * Math.max(1, Math.abs(high)) ? [low, high] : [low - 1, high + 1];
}

function valueAxis(scale: ScaleLinear<number, number>, unit: string, right: number): string {
  const ticks = scale.ticks(4);
  const write = scale.tickFormat(4);
  return ticks
    .map((tick, index) => {
      const y = rounded(scale(tick));
      const label = index === ticks.length - 1 && unit === '%' ? `${write(tick)} %` : write(tick);
      return (
        `<path d="M${INSET.left},${y}H${right}" stroke="${COLOURS.grid}"/>` +
        text(INSET.left - 5, y + 3.5, label, { size: 10, anchor: 'end', fill: COLOURS.quiet })
      );
    })
    .join('\n');
}

const writeTime = utcFormat('%H:%M');
const writeDay = utcFormat('%-d %b');

function timeAxis(scale: ScaleTime<number, number>, right: number, bottom: number): string {
  const ticks = scale.ticks(6).map((tick) => {
    const x = rounded(scale(tick));
    const midnight = tick.getUTCHours() === 0 && tick.getUTCMinutes() === 0;
    const style = { size: 10, anchor: 'middle', fill: midnight ? COLOURS.text : COLOURS.quiet } as const;
    const label = x - INSET.left < 14 || right - x < 4 ? '' : midnight ? writeDay(tick) : writeTime(tick);
    return `<path d="M${x},${bottom}v4" stroke="${COLOURS.quiet}"/>${text(x, bottom + 15, label, style)}`;
  });
  return [`<path d="M${INSET.left},${bottom}H${right}" stroke="${COLOURS.quiet}"/>`, ...ticks].join('\n');
}

/** An estimate, since fonts are not measured. DejaVu Sans is about 0.6 of its size wide, bold 0.68. */
function textWidth(content: string, size: number): number {
  return content.length * size * 0.62;
}

function truncated(content: string, size: number, width: number): string {
  const most = Math.floor(width / (size * 0.68));
  return content.length <= most ? content : `${content.slice(0, most - 1)}…`;
}

function bandColour(index: number): string {
  return COLOURS.bands[Math.min(index, COLOURS.bands.length - 1)] as string;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
