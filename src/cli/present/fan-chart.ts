// A small chart of a forecast for a terminal: the history as a line, then the median inside a band of dots.
import { scaleLinear } from 'd3-scale';
import type { FleetForecast, ModelDescription, ServerForecast } from '../../index.js';
import { type Paint, printable } from '../console.js';
import { BrailleCanvas } from './braille.js';
import { bandOf, decimalsFor, formatSpan } from './summary.js';

const MAX_PANELS = 6;
const ROWS = 6;
const NARROWEST = 36;
const GUTTER = 3;

/** As many panels side by side as the width allows. Of many servers, those with the highest bands are shown. */
export function fanCharts(fleet: FleetForecast, width: number, paint: Paint): string {
  const { forecasts, model } = fleet;
  const chosen = highest(forecasts, model);
  const across = Math.max(1, Math.min(chosen.length, 3, Math.floor((width + GUTTER) / (NARROWEST + GUTTER))));
  const panelWidth = Math.min(72, Math.floor((width - GUTTER * (across - 1)) / across));
  const lines: string[] = [];
  if (chosen.length < forecasts.length) {
    lines.push(
      paint('dim', `The ${chosen.length} of ${forecasts.length} servers that may reach highest:`),
      '',
    );
  }
  for (let from = 0; from < chosen.length; from += across) {
    const panels = chosen
      .slice(from, from + across)
      .map((forecast) => fanChart(forecast, model, panelWidth, paint));
    const rows = panels[0]?.length ?? 0;
    for (let row = 0; row < rows; row++) {
      lines.push(
        panels
          .map((panel) => panel[row] ?? '')
          .join(' '.repeat(GUTTER))
          .trimEnd(),
      );
    }
    lines.push('');
  }
  return `${lines.join('\n')}`;
}

/** One panel: title, canvas and time axis, every line exactly `width` columns when printed. */
function fanChart(forecast: ServerForecast, model: ModelDescription, width: number, paint: Paint): string[] {
  const { values } = forecast;
  // Only the last part of the history, because the chart is narrow and is about the forecast.
  const history = forecast.history.subarray(-Math.min(model.encoderLength, Math.round(1.5 * model.horizon)));
  const count = model.quantiles.length;
  const band = bandOf(model.quantiles);
  const at = (step: number, column: number) => values[step * count + column] as number;

  let lowest = Number.POSITIVE_INFINITY;
  let highestValue = Number.NEGATIVE_INFINITY;
  for (const value of history) {
    lowest = Math.min(lowest, value);
    highestValue = Math.max(highestValue, value);
  }
  for (let step = 0; step < model.horizon; step++) {
    lowest = Math.min(lowest, at(step, band.low));
    highestValue = Math.max(highestValue, at(step, band.high));
  }
  if (highestValue - lowest < 1e-6 * Math.max(1, Math.abs(highestValue))) {
    lowest -= 1;
    highestValue += 1;
  }
  const [bottom = lowest, top = highestValue] = scaleLinear([lowest, highestValue], [0, 1]).nice(4).domain();
  const decimals = Math.min(decimalsFor(Math.max(Math.abs(top), Math.abs(bottom))), 2);
  const labels = [top, bottom].map((value) => String(Number(value.toFixed(decimals))));
  const margin = Math.max(...labels.map((label) => label.length)) + 1;

  const columns = width - margin - 1;
  const steps = history.length + model.horizon;
  const pastColumns = Math.round((columns * history.length) / steps);
  const past = new BrailleCanvas(pastColumns, ROWS);
  const future = new BrailleCanvas(columns - pastColumns, ROWS);
  const row = (value: number) => Math.round(((top - value) / (top - bottom)) * (past.height - 1));

  drawLine(past, history.length, (step) => row(history[step] as number));
  for (let x = 0; x < future.width; x++) {
    const step = Math.min(model.horizon - 1, Math.floor(((x + 0.5) * model.horizon) / future.width));
    const [from, to] = [row(at(step, band.high)), row(at(step, band.low))];
    // Every other dot, so that the band differs from the median even without colours.
    for (let y = from; y <= to; y++) if ((x + y) % 2 === 0) future.dot(x, y, 'blue');
  }
  drawLine(future, model.horizon, (step) => row(at(step, band.median)), ['bold', 'cyan']);

  const pastLines = past.lines(paint);
  const futureLines = future.lines(paint);
  const body = pastLines.map((line, index) => {
    const label = index === 0 ? labels[0] : index === ROWS - 1 ? labels[1] : '';
    return `${paint('dim', (label ?? '').padStart(margin - 1))} ${line}${paint('dim', '│')}${futureLines[index]}`;
  });

  const before = `-${formatSpan(history.length * model.stepMinutes)}`;
  const after = `+${formatSpan(model.horizon * model.stepMinutes)}`;
  const left = `${' '.repeat(margin)}${before}`;
  const nowAt = margin + pastColumns - 1;
  const axis = `${left}${' '.repeat(Math.max(1, nowAt - left.length))}now`;
  const name = printable(forecast.server);
  const title = name.length > width ? `${name.slice(0, width - 1)}…` : name;
  return [
    paint('bold', title) + ' '.repeat(width - title.length),
    ...body,
    paint('dim', axis + after.padStart(Math.max(after.length + 1, width - axis.length))),
  ];
}

/** Draws the values of `count` steps as a line. A column with several steps shows their whole range. */
function drawLine(
  canvas: BrailleCanvas,
  count: number,
  row: (step: number) => number,
  style?: Parameters<Paint>[0],
): void {
  let previous: number | undefined;
  for (let x = 0; x < canvas.width; x++) {
    const first = Math.floor((x * count) / canvas.width);
    const last = Math.max(first, Math.floor(((x + 1) * count) / canvas.width) - 1);
    let [from, to] = [row(first), row(first)];
    for (let step = first + 1; step <= last; step++) {
      from = Math.min(from, row(step));
      to = Math.max(to, row(step));
    }
    // Extended to the value of the previous column, so that the line is not interrupted where it is steep.
    if (previous !== undefined && previous < from) from = previous + 1;
    if (previous !== undefined && previous > to) to = previous - 1;
    canvas.column(x, from, to, style);
    previous = row(last);
  }
}

function highest(forecasts: readonly ServerForecast[], model: ModelDescription): ServerForecast[] {
  if (forecasts.length <= MAX_PANELS) return [...forecasts];
  const count = model.quantiles.length;
  const { high } = bandOf(model.quantiles);
  const peak = ({ values }: ServerForecast) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let index = high; index < values.length; index += count)
      most = Math.max(most, values[index] as number);
    return most;
  };
  return forecasts
    .map((forecast) => ({ forecast, peak: peak(forecast) }))
    .sort((a, b) => b.peak - a.peak)
    .slice(0, MAX_PANELS)
    .map(({ forecast }) => forecast);
}
