// Forecasts every server of a history: what `engine.forecast` does, as a function.

import type { TFTEngine } from '../engine.js';
import type { FleetForecast, ForecastOptions } from '../fleet-forecast.js';
import type { FleetHistory } from '../history/index.js';

export type { FleetForecast, ServerForecast } from '../fleet-forecast.js';
export type FleetForecastOptions = ForecastOptions;

/** The same as `engine.forecast(history, options)`. @throws TFTError ERR_TFT_HISTORY_EMPTY, and what the engine throws. */
export function forecastFleet(
  engine: TFTEngine,
  history: FleetHistory,
  options: FleetForecastOptions = {},
): Promise<FleetForecast> {
  return engine.forecast(history, options);
}
