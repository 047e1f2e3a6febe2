// The chart of one server: the measurements, the fan of quantiles ahead, and earlier forecasts.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Fan } from '../state/fan.js';
import { bands, nearest } from '../state/fan.js';
import { limit } from '../state/numbers.js';
import { clock, isSameDay, type Zone } from '../state/times.js';
import { type Palette, palette } from './palette.js';

interface FanChartProps {
  readonly fan: Fan;
  readonly zone: Zone;
  readonly range: { readonly minimum: number | null; readonly maximum: number | null };
  readonly threshold: number | null;
  /** The index of the time selected by pointer or slider. */
  readonly at: number | undefined;
  readonly onLook: (at: number | undefined) => void;
}

export function FanChart({ fan, zone, range, threshold, at, onLook }: FanChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(undefined);
  const colours = palette.value;
  // uPlot cannot replace a chart's series, so other series need a new chart.
  const kind = `${fan.names.join()} ${fan.past !== undefined}`;

  useLayoutEffect(() => {
    const parent = place.current as HTMLDivElement;
    const options = chartOptions({ fan, zone, range, threshold, colours, onLook, width: parent.clientWidth });
    const made = new uPlot(options, columns(fan), parent);
    chart.current = made;
    const watch = new ResizeObserver(() => {
      if (parent.clientWidth > 0)
        made.setSize({ width: parent.clientWidth, height: heightFor(parent.clientWidth) });
    });
    watch.observe(parent);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [kind, zone, threshold, colours, range.minimum, range.maximum]);

  useEffect(() => {
    const made = chart.current;
    if (!made || made.data[0] === fan.times) return;
    nowOf.set(made, fan.now);
    made.setData(columns(fan));
  }, [fan]);

  useEffect(() => {
    const made = chart.current;
    if (!made || at === undefined || made.cursor.idx === at) return;
    made.setCursor({ left: made.valToPos(fan.times[at] as number, 'x'), top: 10 }, false);
  }, [at, fan]);

  return <div class="fan" ref={place} aria-hidden="true" />;
}

/** The start of the fan; it advances with each step. */
const nowOf = new WeakMap<uPlot, number | undefined>();

function columns({ times, measured, filled, quantiles, past }: Fan): uPlot.AlignedData {
  const all = [times, ...quantiles, measured, filled];
  if (past) all.push(past.low, past.high, past.median);
  return all as unknown as uPlot.AlignedData;
}

function heightFor(width: number): number {
  return width < 560 ? 260 : 360;
}

type ChartParts = Omit<FanChartProps, 'at'> & { readonly colours: Palette; readonly width: number };

function chartOptions({ fan, zone, range, threshold, colours, onLook, width }: ChartParts): uPlot.Options {
  const { names } = fan;
  const median = nearest(names, 0.5);
  const axis: uPlot.Axis = {
    stroke: colours.muted,
    font: '12px system-ui, sans-serif',
    grid: { stroke: colours.line, width: 1 },
    ticks: { show: false },
  };
  const noPoints = { show: false };
  const series: uPlot.Series[] = [{}];
  for (const index of names.keys()) {
    const isMedian = index === median;
    series.push({
      stroke: isMedian ? colours.accent : 'transparent',
      width: isMedian ? 2 : 0,
      points: noPoints,
    });
  }
  series.push({ stroke: colours.ink, width: 1.25, points: noPoints });
  series.push({
    stroke: 'transparent',
    width: 0,
    points: { show: true, size: 3, fill: colours.muted, width: 0 },
  });
  const fills: uPlot.Band[] = bands(names).map(({ low, high }) => ({
    series: [high + 1, low + 1],
    fill: `${colours.accent}${colours.isDark ? '30' : '28'}`,
  }));
  if (fan.past) {
    const first = series.length;
    series.push({ stroke: 'transparent', width: 0, points: noPoints });
    series.push({ stroke: 'transparent', width: 0, points: noPoints });
    series.push({ stroke: colours.earlier, width: 1.75, points: noPoints });
    fills.push({ series: [first + 1, first], fill: `${colours.earlier}38` });
  }
  return {
    width,
    height: heightFor(width),
    legend: { show: false },
    padding: [18, 8, 0, 0],
    cursor: { y: false, points: noPoints, drag: { x: false, y: false }, focus: { prox: -1 } },
    tzDate: (seconds) => {
      const date = new Date(seconds * 1000);
      return zone === 'utc' ? uPlot.tzDate(date, 'Etc/UTC') : date;
    },
    scales: { y: { range: (_chart, low, high) => yRange(range, low, high) } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 30,
        space: 64,
        values: (_chart, splits) => splits.map((at, index) => tickText(at, splits[index - 1], zone)),
      },
      { ...axis, size: 44, space: 44 },
    ],
    series,
    bands: fills,
    hooks: {
      init: [(chart) => nowOf.set(chart, fan.now)],
      draw: [(chart) => drawMarks(chart, threshold, colours)],
      setCursor: [(chart) => onLook(chart.cursor.idx ?? undefined)],
    },
  };
}

/** The hour; at midnight the day. */
function tickText(at: number, before: number | undefined, zone: Zone): string {
  const text = clock(at * 1000, at * 1000, zone);
  const isNewDay = before !== undefined && !isSameDay(before * 1000, at * 1000, zone);
  if (!isNewDay) return text;
  return clock(at * 1000, (at - 86_400) * 1000, zone).replace(' 00:00', '');
}

function yRange({ minimum, maximum }: FanChartProps['range'], low: number, high: number): [number, number] {
  const bottom = minimum ?? low - (high - low) * 0.05;
  const top = maximum ?? high + (high - low) * 0.08;
  return top > bottom ? [bottom, top] : [bottom, bottom + 1];
}

function drawMarks(chart: uPlot, threshold: number | null, colours: Palette): void {
  const { ctx, bbox } = chart;
  const scale = devicePixelRatio || 1;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = 'bottom';
  ctx.lineWidth = scale;
  const now = nowOf.get(chart);
  if (now !== undefined) {
    const x = Math.round(chart.valToPos(now, 'x', true));
    ctx.strokeStyle = colours.muted;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 4 * scale);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillStyle = colours.muted;
    ctx.textAlign = 'center';
    ctx.fillText('now', x, bbox.top - 5 * scale);
  }
  if (threshold !== null) {
    const y = Math.round(chart.valToPos(threshold, 'y', true));
    if (y > bbox.top && y < bbox.top + bbox.height) {
      ctx.strokeStyle = colours.critical;
      ctx.setLineDash([2 * scale, 4 * scale]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      // At the far end, away from the measured line, and with a background of its own.
      const text = `threshold ${limit(threshold, '')}`;
      const width = ctx.measureText(text).width;
      const right = bbox.left + bbox.width - 4 * scale;
      ctx.fillStyle = colours.paper;
      ctx.fillRect(right - width - 4 * scale, y - 16 * scale, width + 8 * scale, 14 * scale);
      ctx.fillStyle = colours.critical;
      ctx.textAlign = 'right';
      ctx.fillText(text, right, y - 3 * scale);
    }
  }
  ctx.restore();
}
