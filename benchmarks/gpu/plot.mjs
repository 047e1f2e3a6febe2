// A plot of latency over batch size, both logarithmic, as SVG.
import { scaleLog } from 'd3-scale';

const WIDTH = 860;
const HEIGHT = 460;
const MARGIN = { left: 70, right: 210, top: 46, bottom: 50 };
const COLOURS = [
  '#1f6f43',
  '#2c6fbb',
  '#7a3e9d',
  '#c0392b',
  '#d08c1d',
  '#6b7280',
  '#0f766e',
  '#be185d',
  '#111827',
];

/** @param series [{ name, points: [[batch, milliseconds], …] }, …] */
export function drawLatency(series, title) {
  const points = series.flatMap(({ points }) => points);
  if (points.length === 0) return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="40"/>\n`;
  const range = (values) => [Math.min(...values), Math.max(...values)];
  const [least, most] = range(points.map(([, value]) => value));
  const x = scaleLog()
    .base(2)
    .domain(range(points.map(([batch]) => batch)))
    .range([MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLog()
    .domain([least / 1.5, most * 1.5])
    .range([HEIGHT - MARGIN.bottom, MARGIN.top]);
  const batches = [...new Set(points.map(([batch]) => batch))].sort((a, b) => a - b);
  const ticks = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter(
    (value) => value >= least / 1.5 && value <= most * 1.5,
  );
  const text = (at, up, content, more = '') => `<text x="${at}" y="${up}" ${more}>${content}</text>`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="DejaVu Sans, sans-serif" font-size="12" fill="#333">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    text(MARGIN.left, 24, title, 'font-size="15" font-weight="bold"'),
    text(WIDTH / 2 - 80, HEIGHT - 12, 'batch (servers)'),
    text(MARGIN.left - 52, MARGIN.top - 8, 'ms, p50'),
  ];
  for (const value of ticks) {
    parts.push(
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value)}" y2="${y(value)}" stroke="#e5e7eb"/>`,
      text(MARGIN.left - 8, y(value) + 4, value, 'text-anchor="end"'),
    );
  }
  for (const batch of batches)
    parts.push(text(x(batch), HEIGHT - MARGIN.bottom + 18, batch, 'text-anchor="middle"'));
  // Labels at the ends of the lines, moved apart if they would overlap.
  const ends = series
    .map(({ name, points }, index) => ({ name, index, at: y(points.at(-1)[1]) }))
    .sort((a, b) => a.at - b.at);
  ends.forEach((end, i) => {
    if (i > 0) end.at = Math.max(end.at, ends[i - 1].at + 15);
  });
  for (const { name, index, at } of ends) {
    const colour = COLOURS[index % COLOURS.length];
    const line = series[index].points.map(
      ([batch, value]) => `${x(batch).toFixed(1)},${y(value).toFixed(1)}`,
    );
    parts.push(`<polyline points="${line.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of line) {
      const [cx, cy] = point.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    parts.push(text(WIDTH - MARGIN.right + 12, at + 4, name, `fill="${colour}"`));
  }
  return `${parts.join('\n')}\n</svg>\n`;
}
