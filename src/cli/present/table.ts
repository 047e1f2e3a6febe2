// Writes forecasts as a table: each server's newest value, and the median and band at a few later steps.

import { formatTimestamp } from '../../entries/history.js';
import type { FleetForecast } from '../../index.js';
import { type Paint, printable } from '../console.js';
import { plainTable } from './plain-table.js';
import {
  bandOf,
  decimalsFor,
  describeBand,
  describeTidying,
  formatSpan,
  shownSteps,
  targetTitle,
} from './summary.js';

/** A few lines that explain the numbers, then one row for each server. */
export function forecastTable(fleet: FleetForecast, paint: Paint): string {
  const { model, forecasts } = fleet;
  const width = model.quantiles.length;
  const { median, low, high } = bandOf(model.quantiles);
  const steps = shownSteps(model.horizon);
  const starts = new Set(forecasts.map(({ start }) => start.getTime()));

  let largest = 0;
  for (const { history, values } of forecasts) {
    largest = Math.max(largest, Math.abs(history.at(-1) ?? 0));
    for (const step of steps) largest = Math.max(largest, Math.abs(values[step * width + high] ?? 0));
  }
  const decimals = decimalsFor(largest);
  const write = (value: number | undefined) => withoutMinusZero((value ?? Number.NaN).toFixed(decimals));

  const cells = forecasts.map(({ server, start, history, values }) => ({
    server,
    start,
    now: write(history.at(-1)),
    ahead: steps.map((step) => {
      const at = step * width;
      return [values[at + median], values[at + low], values[at + high]].map(write) as [
        string,
        string,
        string,
      ];
    }),
  }));
  const widest = (column: number, part: number) =>
    Math.max(...cells.map(({ ahead }) => ahead[column]?.[part]?.length ?? 0));
  const widths = steps.map((_, column) => [0, 1, 2].map((part) => widest(column, part)));

  const withStart = starts.size > 1;
  const head = [
    'server',
    ...(withStart ? ['from'] : []),
    'now',
    ...steps.map((step) => `+${formatSpan((step + 1) * model.stepMinutes)}`),
  ];
  const rows = cells.map(({ server, start, now, ahead }) => [
    printable(server),
    ...(withStart ? [formatTimestamp(start)] : []),
    now,
    ...ahead.map(([middle, from, to], column) => {
      const [m = 0, l = 0, h = 0] = widths[column] ?? [];
      const band = `${from.padStart(l)} – ${to.padStart(h)}`;
      return `${middle.padStart(m)}  ${paint('dim', band)}`;
    }),
  ]);
  const lines = plainTable(
    head.map((title) => paint('bold', title)),
    rows,
    head.map((title) => (title === 'server' || title === 'from' ? 'left' : 'right')),
  );
  return `${[...heading(fleet, starts, paint), '', ...lines].join('\n')}\n`;
}

function heading(fleet: FleetForecast, starts: Set<number>, paint: Paint): string[] {
  const { model, forecasts, simulated } = fleet;
  const tidying = describeTidying(fleet);
  const servers = forecasts.length === 1 ? '' : ` of ${forecasts.length} servers`;
  const [start] = starts;
  const from = starts.size === 1 ? `, from ${formatTimestamp(start ?? 0)}` : '';
  const span = formatSpan(model.horizon * model.stepMinutes);
  return [
    `${paint('bold', targetTitle(model))}, the next ${span}${servers}${from}`,
    `${describeBand(model.quantiles)}${tidying === '' ? '' : ` · ${tidying}`} · times in UTC`,
    ...(simulated ? [paint('yellow', 'Simulated data: these servers do not exist.')] : []),
  ];
}

function withoutMinusZero(text: string): string {
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}
