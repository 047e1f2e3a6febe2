// Forecasts while measurements come in: one forecast for each step of the model's grid, as soon as it is complete.

import {
  type FleetForecast,
  type Forecaster,
  type ForecastOptions,
  forecastWindows,
} from './fleet-forecast.js';
import { FleetHistory, type FleetHistoryOptions, type HistoryRow } from './history/index.js';

/** Options of {@link TFTEngine.forecastStream}: those of the history that it keeps, and of its forecasts. */
export interface StreamOptions
  extends Omit<FleetHistoryOptions, 'until' | 'onWindow'>,
    Omit<ForecastOptions, 'at' | 'servers' | 'onProgress'> {
  /** Forecast at every so manieth step; 1 by default. */
  everySteps?: number | undefined;
}

/** A row of a later step says that a step is complete; the end of the rows says it of the last. */
export async function* streamForecasts(
  engine: Forecaster,
  rows: AsyncIterable<HistoryRow> | Iterable<HistoryRow>,
  { everySteps = 1, signal, deadlineMs, sorted, clipped, simulated, ...kept }: StreamOptions,
): AsyncGenerator<FleetForecast, void, undefined> {
  const history = new FleetHistory(engine.model, kept);
  const fresh = new Set<string>();
  let newest = Number.NEGATIVE_INFINITY;
  let forecastAt = Number.NEGATIVE_INFINITY;
  const options = { signal, deadlineMs, sorted, clipped, simulated };
  const complete = async (): Promise<FleetForecast | undefined> => {
    if (newest - forecastAt < everySteps) return undefined;
    const windows = history.windows({ servers: [...fresh] });
    fresh.clear();
    if (windows.servers.length === 0) return undefined;
    forecastAt = newest;
    return forecastWindows(engine, windows, options);
  };
  for await (const row of rows) {
    const step = history.stepOf(row.timestamp);
    if (step > newest && isMeasured(row)) {
      const forecast = await complete();
      if (forecast) yield forecast;
      newest = step;
    }
    history.add(row);
    fresh.add(row.server_name);
  }
  const last = await complete();
  if (last) yield last;
}

/** Rows of the future, which tell only what is known ahead, do not say that the present is over. */
function isMeasured({ metrics }: HistoryRow): boolean {
  return Object.values(metrics).some((value) => value !== null);
}
