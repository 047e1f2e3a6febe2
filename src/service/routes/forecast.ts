// POST /forecast: measurements in, forecasts out, with names, times, unit and warnings.
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { FleetForecast } from '../../fleet-forecast.js';
import { forecastSchema } from '../../forecast-schema.js';
import type { FleetWindows } from '../../history/index.js';
import { exampleForecast, exampleRows } from '../http/forecast-example.js';
import { FORECAST_ERRORS, REQUEST_HEADERS } from '../http/openapi-parts.js';
import { forecastOptions, forecastRequest } from '../http/schemas.js';
import { writePredictions } from '../http/write-predictions.js';
import type { ServedModel } from '../model-host.js';
import { refuseEarly } from './early-refusal.js';
import { type ForecastQuestion, forecastFor, type Parts } from './forecast-request.js';
import { formatOf, optionsOf, readForecastRows } from './forecast-rows.js';

interface RowsQuestion extends ForecastQuestion {
  readonly windows: FleetWindows;
}

/** Servers that are written in one turn of the event loop. */
const SERVERS_A_TURN = 16;

/** The options of the rows as the URL has them: texts, and lists with commas. */
const query = Object.fromEntries(
  Object.entries(forecastOptions.shape).map(([name, option]) => {
    const kind = option.unwrap();
    const description = `${option.description}${kind instanceof z.ZodArray ? ', separated by commas' : ''}`;
    return [
      name,
      { description, schema: kind instanceof z.ZodBoolean ? z.enum(['true', 'false']) : z.string() },
    ];
  }),
);

export function forecastRoute(app: FastifyInstance, parts: Parts): void {
  const { maxServers } = parts.config;
  app.post(
    '/forecast',
    {
      onRequest: refuseEarly(parts, () => parts.host.current),
      config: {
        operation: {
          summary: 'Forecast servers from their measurements',
          description:
            'Rows in, as a JSON list, as JSON under "rows", as a JSON object a line, or as CSV with a header; at least as many ' +
            'steps of each server as the model reads. Columns are timestamp, server_name, the categories and the metrics of ' +
            'the model by name. The answer is that of `tft predict --json`. Servers that cannot be forecast are listed under ' +
            '`refused`.',
          tag: 'forecast',
          access: 'user',
          headers: REQUEST_HEADERS,
          query,
          body: {
            json: forecastRequest,
            texts: ['application/x-ndjson', 'text/csv'],
            example: exampleRows,
          },
          answers: {
            200: { description: 'the forecasts', json: forecastSchema, example: exampleForecast },
          },
          errors: FORECAST_ERRORS,
        },
      },
    },
    (request, reply) => {
      const format = formatOf(request.headers['content-type']);
      const options = optionsOf(request.query as Record<string, unknown>);
      return forecastFor<RowsQuestion>(
        parts,
        request,
        reply,
        async (body, { engine }, _header, holding) => {
          const limits = { maxServers, holding };
          const { history, windows, raw } = await readForecastRows(
            body,
            format,
            engine.model,
            options,
            limits,
          );
          const made = history.windows(windows);
          return { inputs: made.packed, windows: made, sorted: !raw, clipped: !raw, mayBeEmpty: true };
        },
        async (forecast, { windows, sorted = false, clipped = false }, model) => {
          const { engine } = model;
          const { data, outputs } = forecast;
          const fleet = new FleetForecast({
            model: { ...engine.model, name: model.name },
            info: engine.info,
            windows,
            data,
            outputs,
            sorted,
            clipped,
            simulated: false,
            milliseconds: 0,
          });
          return { bytes: await answerForecast(fleet, model), type: 'application/json' };
        },
      );
    },
  );
}

/** What JSON.stringify(fleet) writes, in turns. */
async function answerForecast(fleet: FleetForecast, { engine }: ServedModel): Promise<Buffer> {
  const { horizon, quantiles } = engine.model;
  const pieces: Buffer[] = [Buffer.from(`${JSON.stringify(fleet.describe()).slice(0, -1)},"forecasts":[`)];
  for (const [index, forecast] of fleet.forecasts.entries()) {
    if (index > 0 && index % SERVERS_A_TURN === 0) await setImmediate();
    const head = `${index === 0 ? '' : ','}${JSON.stringify(forecast.describe()).slice(0, -1)},"values":`;
    pieces.push(await writePredictions(head, forecast.values, [horizon, quantiles.length], '}'));
  }
  const { refused, warnings } = fleet;
  pieces.push(Buffer.from(`],"refused":${JSON.stringify(refused)},"warnings":${JSON.stringify(warnings)}}`));
  return Buffer.concat(pieces);
}
