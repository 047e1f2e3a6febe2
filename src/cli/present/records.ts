// Writes forecasts for other programs, as JSON or CSV. They are written in pieces, so that a large fleet does not need a
// large string.

import { formatTimestamp, timeAfter } from '../../entries/history.js';
import type { FleetForecast } from '../../index.js';
import { percent } from './summary.js';

/**
 * What JSON.stringify(fleet) writes, with a line for each server: `{ model, target, unit, …, forecasts: [{ server, start, …,
 * values }], refused, warnings }`, as schemas/forecast.schema.json says.
 */
export function* jsonPieces(fleet: FleetForecast): Generator<string> {
  const { forecasts, refused, warnings } = fleet;
  yield '{\n';
  for (const [key, value] of Object.entries(fleet.describe()))
    yield `  "${key}": ${JSON.stringify(value)},\n`;
  yield '  "forecasts": [';
  for (const [index, forecast] of forecasts.entries()) {
    yield `${index === 0 ? '' : ','}\n    ${JSON.stringify(forecast)}`;
  }
  yield forecasts.length === 0 ? '' : '\n  ';
  yield `],\n  "refused": ${JSON.stringify(refused)},\n  "warnings": ${JSON.stringify(warnings)}\n}\n`;
}

/** `server,timestamp,q2,q10,…`: one line for every server and step. */
export function* csvPieces({ model, forecasts }: FleetForecast): Generator<string> {
  yield `server,timestamp,${model.quantiles.map((quantile) => `q${percent(quantile)}`).join(',')}\n`;
  for (const forecast of forecasts) {
    const server = csvField(forecast.server);
    const start = forecast.start.getTime();
    const { values } = forecast.toJSON() as { values: number[][] };
    yield values
      .map((row, step) => {
        const time = formatTimestamp(timeAfter(model, start, step));
        return `${server},${time},${row.join(',')}\n`;
      })
      .join('');
  }
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
