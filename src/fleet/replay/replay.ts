// Replays a history: makes the forecasts that would have been made at the time, without later data, and passes them on
// with the measurements. Windows run in full batches, and reading waits for them, so memory does not grow with the file.

import type { ForecastInputs } from '../../contract/inputs.js';
import { targetOf } from '../../contract/target.js';
import type { TFTEngine } from '../../engine.js';
import { timeAfter } from '../../history/calendar.js';
import type { FleetHistory, HistoryModel, HistoryStep, ReadHistoryOptions } from '../../history/index.js';
import { readSource } from './source.js';

const MINUTE = 60_000;
/** The number of windows gathered before reading waits for their forecasts. */
const MIN_GATHERED = 256;

/**
 * The callbacks of a replay. A server's steps are reported in order, and so are its forecasts; steps run ahead of forecasts.
 */
export interface ReplayListener {
  /** A measured step: its number (time / stepMinutes since 1970) and the target's value. Steps in between had no row. */
  step(server: string, step: number, value: number): void;
  /** A forecast will be made whose first step is `origin`. @param time of that step, in milliseconds since 1970. */
  origin(server: string, origin: number, window: ForecastInputs, time: number): void;
  /** The forecast from that origin as the graph gives it, `[horizon, quantiles]`. */
  forecast(server: string, origin: number, values: Float32Array, time: number): void;
}

export interface ReplayOptions
  extends Omit<ReadHistoryOptions, 'onWindow' | 'onStep' | 'onPiece' | 'onProgress'> {
  /** Forecasts are made at multiples of this many steps since 1970; at every step by default. */
  everySteps?: number | undefined;
  /** Rows before this are read, but no forecast is made from them; milliseconds since 1970. */
  from?: number | undefined;
  onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

interface Gathered {
  readonly server: string;
  readonly origin: number;
  readonly time: number;
  readonly inputs: ForecastInputs;
}

/**
 * Replays a file, or the folder in which a daemon keeps its history.
 *
 * @returns the history as read, whose windows and warnings are those of its end.
 * @throws TFTError what `readSource` and the engine throw; ERR_TFT_HISTORY_ORDER for rows that are not in order of time.
 */
export async function replayHistory(
  engine: TFTEngine,
  source: string,
  options: ReplayOptions,
  listener: ReplayListener,
): Promise<FleetHistory> {
  const { everySteps = 1, from = Number.NEGATIVE_INFINITY, ...reading } = options;
  const { model } = engine;
  const batch = Math.max(MIN_GATHERED, engine.info.maxBatch);
  let gathered: Gathered[] = [];
  const run = async (fewest: number) => {
    while (gathered.length >= fewest && gathered.length > 0) {
      const part = gathered.slice(0, batch);
      gathered = gathered.slice(part.length);
      const forecasts = await engine.predictBatch(part.map(({ inputs }) => inputs));
      for (const [index, { server, origin, time }] of part.entries()) {
        listener.forecast(server, origin, (forecasts[index] as { data: Float32Array }).data, time);
      }
    }
  };
  const onStep = eachStep(model, ({ server, step, time, value, window }) => {
    listener.step(server, step, value);
    const origin = step + 1;
    if (window === undefined || origin % everySteps !== 0) return;
    const begin = timeAfter(model, time, 1);
    if (begin < from) return;
    const inputs = window();
    listener.origin(server, origin, inputs, begin);
    gathered.push({ server, origin, time: begin, inputs });
  });
  const history = await readSource(source, model, { ...reading, onStep, onPiece: () => run(batch) });
  await run(1);
  return history;
}

/** A measured step with the target's value, on the model's grid. */
export interface MeasuredStep {
  readonly server: string;
  readonly step: number;
  /** Of the step, in milliseconds since 1970. */
  readonly time: number;
  readonly value: number;
  readonly window: HistoryStep['window'];
}

/** For `onStep` of a history: its steps by number, with the target. */
export function eachStep(
  model: HistoryModel,
  tell: (step: MeasuredStep) => void,
): (step: HistoryStep) => void {
  const { channel } = targetOf(model);
  return ({ server, time, metrics, window }) =>
    tell({
      server,
      step: Math.round(time / (model.stepMinutes * MINUTE)),
      time,
      value: metrics[channel] as number,
      window,
    });
}
