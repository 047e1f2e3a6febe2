// Writes forecasts for other programs, as JSON or CSV. They are written in pieces, so that a large fleet does not need a
// large string.

import { formatTimestamp } from '../../entries/history.js';
import type { FleetForecast, ServerForecast } from '../../index.js';
import { percent } from './summary.js';

/**
 * `{ model, forecasts: [{ server, start, stepMinutes, quantiles, values }], refused: [{ server, code, message }] }`
 * with `values` as [steps][quantiles] and one line for each server. `simulated: true` is added if the history is.
 */
export function* jsonPieces(fleet: FleetForecast): Generator<string> {
  const { model, forecasts, refused, simulated } = fleet;
  yield `{\n  "model": ${JSON.stringify(model.name)},\n`;
  if (simulated) yield '  "simulated": true,\n';
  yield '  "forecasts": [';
  for (const [index, forecast] of forecasts.entries()) {
    const { stepMinutes, quantiles } = model;
    const start = forecast.start.toISOString();
    const values = rows(forecast, quantiles.length);
    const item = { server: forecast.server, start, stepMinutes, quantiles, values };
    yield `${index === 0 ? '' : ','}\n    ${JSON.stringify(item)}`;
  }
  yield `${forecasts.length === 0 ? '' : '\n  '}],\n  "refused": ${JSON.stringify(refused)}\n}\n`;
}

/** `server,timestamp,q2,q10,…`: one line for every server and step. */
export function* csvPieces({ model, forecasts }: FleetForecast): Generator<string> {
  yield `server,timestamp,${model.quantiles.map((quantile) => `q${percent(quantile)}`).join(',')}\n`;
  for (const forecast of forecasts) {
    const server = csvField(forecast.server);
    const start = forecast.start.getTime();
    yield rows(forecast, model.quantiles.length)
      .map((row, step) => {
        const time = formatTimestamp(start + step * model.stepMinutes * 60_000);
        return `${server},${time},${row.join(',')}\n`;
      })
      .join('');
  }
}

function rows({ values }: ServerForecast, width: number): number[][] {
  const result: number[][] = [];
  for (let at = 0; at < values.length; at += width)
    result.push(Array.from(values.subarray(at, at + width), short));
  return result;
}

/** A float32 has seven significant digits. Further ones only come from converting it to a double. */
function short(value: number): number {
  return Number(value.toPrecision(7));
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
