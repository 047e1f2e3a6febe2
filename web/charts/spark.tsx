// A small chart in a row of the table: half of it is the past, half the median ahead. The row has the numbers as text, so the
// chart is hidden from screen readers.
import { computed } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { OverviewRow } from '../../src/fleet/api.js';
import { fleet } from '../live/store.js';
import { type Palette, palette } from './palette.js';

/** The same object until the fleet changes. */
const sparkRange = computed(() => {
  const about = fleet.value?.about;
  return {
    minimum: about?.model.minimum ?? null,
    maximum: about?.model.maximum ?? null,
    threshold: about?.threshold ?? null,
    /** Steps that the model forecasts. */
    horizon: about?.horizon ?? HALF,
  };
});
type SparkRange = typeof sparkRange.value;

const WIDTH = 132;
const HEIGHT = 28;
/** Points of each half, unless the model forecasts fewer steps. */
const HALF = 24;

export function Spark({ row }: { row: OverviewRow }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = palette.value;
  const range = sparkRange.value;
  const { spark } = row;
  useLayoutEffect(() => {
    if (canvas.current) draw(canvas.current, spark, range, colours);
  }, [spark, range, colours]);
  return (
    <span class="spark" aria-hidden="true">
      <canvas ref={canvas} />
    </span>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  values: OverviewRow['spark'],
  range: SparkRange,
  colours: Palette,
): void {
  const scale = devicePixelRatio || 1;
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(scale, scale);
  const [low, high] = limits(values, range);
  const past = Math.min(HALF, range.horizon);
  const points = 2 * past;
  const x = (point: number) => 1 + (point / Math.max(1, points - 1)) * (WIDTH - 2);
  const y = (value: number) => HEIGHT - 2 - ((value - low) / (high - low)) * (HEIGHT - 4);
  // The end of the past.
  context.fillStyle = colours.faint;
  context.fillRect(x(past - 0.5), 0, WIDTH - x(past - 0.5), HEIGHT);
  if (range.threshold !== null && range.threshold >= low && range.threshold <= high) {
    context.fillStyle = colours.line;
    context.fillRect(0, Math.round(y(range.threshold)), WIDTH, 1);
  }
  const line = (from: number, to: number, colour: string) => {
    context.beginPath();
    let isDown = false;
    for (let point = from; point < to; point++) {
      const value = values[point];
      if (value === null || value === undefined) {
        isDown = false;
        continue;
      }
      if (isDown) context.lineTo(x(point), y(value));
      else context.moveTo(x(point), y(value));
      isDown = true;
    }
    context.strokeStyle = colour;
    context.stroke();
  };
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  line(0, past, colours.past);
  line(past - 1, points, colours.accent);
}

/** The target's own range if it has one, so that rows are comparable; otherwise the row's. */
function limits(values: OverviewRow['spark'], { minimum, maximum }: SparkRange): [number, number] {
  const known = values.filter((value) => value !== null);
  const low = minimum ?? Math.min(0, ...known);
  const high = maximum ?? Math.max(low + 1e-6, ...known) * 1.05;
  return high > low ? [low, high] : [low, low + 1];
}
