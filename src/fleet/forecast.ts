// Forecasts every server of a history: runs the windows through the engine in parts and returns the results by server.

import type { ModelDescription } from '../contract/model.js';
import type { TFTEngine } from '../engine.js';
import type { FleetHistory, HistoryWarning, RefusedServer, WindowsOptions } from '../history/index.js';
import { sliceInputs } from '../history/index.js';

/** One server's forecast and the history before it. */
export interface ServerForecast {
  readonly server: string;
  /** The time of the first step of the forecast. */
  readonly start: Date;
  /** The target over the encoder's steps, oldest first. */
  readonly history: Float32Array;
  /** `[horizon, quantiles]`. */
  readonly values: Float32Array;
}

/** The forecasts of a fleet. */
export interface FleetForecast {
  readonly model: ModelDescription;
  readonly forecasts: readonly ServerForecast[];
  readonly refused: readonly RefusedServer[];
  readonly warnings: readonly HistoryWarning[];
  /** Whether the history is simulated. Whoever shows a forecast must say so. */
  readonly simulated: boolean;
  /** The time from the first request to the engine to its last result. */
  readonly milliseconds: number;
}

export interface FleetForecastOptions extends WindowsOptions {
  simulated: boolean;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** @throws TFTError ERR_TFT_HISTORY_EMPTY, and what the engine throws. */
export async function forecastFleet(
  engine: TFTEngine,
  history: FleetHistory,
  options: FleetForecastOptions,
): Promise<FleetForecast> {
  const { model, info } = engine;
  const { servers, packed, refused, warnings } = history.windows(options);
  const targetIndex = model.metrics.findIndex((metric) => metric.name === model.target);
  const forecasts: ServerForecast[] = [];
  const size = model.horizon * model.quantiles.length;
  const begin = performance.now();
  for (let from = 0; from < servers.length; from += info.maxBatch) {
    const part = servers.slice(from, from + info.maxBatch);
    const { data } = await engine.predict(sliceInputs(packed, model, from, from + part.length));
    for (const [index, { server, start, inputs }] of part.entries()) {
      const history = new Float32Array(model.encoderLength);
      for (let step = 0; step < history.length; step++) {
        history[step] = inputs.encoderCont[step * model.metrics.length + targetIndex] as number;
      }
      const values = data.subarray(index * size, (index + 1) * size);
      forecasts.push({ server, start, history, values });
    }
    options.onProgress?.(forecasts.length, servers.length);
  }
  const milliseconds = performance.now() - begin;
  return { model, forecasts, refused, warnings, simulated: options.simulated, milliseconds };
}
