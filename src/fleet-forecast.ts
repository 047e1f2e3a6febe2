// Forecasts of the servers of a history, with their names and times: what `TFTEngine.forecast` returns.

import { explainedBy } from './contract/explanation.js';
import { Forecast } from './contract/forecast.js';
import type { FurtherOutput } from './contract/further-output.js';
import { type ForecastInputs, sliceInputs } from './contract/inputs.js';
import type { ModelDescription } from './contract/model.js';
import type { BackendName, Precision } from './contract/names.js';
import { shortest } from './contract/quantiles.js';
import { SeriesForecast, type SeriesParts } from './contract/series-forecast.js';
import { targetOf } from './contract/target.js';
import type { FleetWindows, HistoryWarning, RefusedServer, WindowsOptions } from './history/index.js';
import type { PredictOptions } from './options.js';

/** Options of {@link TFTEngine.forecast}. */
export interface ForecastOptions
  extends WindowsOptions,
    Pick<PredictOptions, 'signal' | 'deadlineMs' | 'sorted' | 'clipped'> {
  /** Whether the history is simulated; false by default. Say so wherever a forecast is shown. */
  simulated?: boolean | undefined;
  /** Called with the number of servers that are forecast, and of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What ran a model, and in which arithmetic. */
export interface RanBy {
  readonly backend: BackendName;
  readonly precision: Precision | 'unknown';
}

/** The part of an engine that forecasts of a history need. */
export interface Forecaster {
  readonly model: ModelDescription;
  readonly info: RanBy & { readonly maxBatch: number; readonly queueLimit: number; readonly threads: number };
  predict(inputs: ForecastInputs, options: PredictOptions): Promise<Forecast>;
}

/** One server's forecast and the history before it. */
export class ServerForecast extends SeriesForecast {
  declare readonly server: string;
  /** The time of the first step of the forecast. */
  declare readonly start: Date;
  declare readonly stepMinutes: number;
  /** The target over the encoder's steps that there are, oldest first. */
  readonly history: Float32Array;

  /** @internal */
  constructor(parts: SeriesParts & { readonly history: Float32Array }) {
    super(parts);
    this.history = parts.history;
  }

  /** The target's newest value. */
  get now(): number {
    return this.history.at(-1) ?? Number.NaN;
  }

  override describe(): Record<string, unknown> {
    const { server, ...rest } = super.describe();
    return { server, now: shortest(this.now), ...rest };
  }
}

/** What {@link FleetForecast} is made of. */
export interface FleetForecastParts {
  readonly model: ModelDescription;
  readonly info: RanBy;
  readonly windows: FleetWindows;
  readonly data: Float32Array;
  readonly outputs?: Readonly<Record<string, FurtherOutput>> | undefined;
  readonly sorted: boolean;
  readonly clipped: boolean;
  readonly simulated: boolean;
  readonly milliseconds: number;
}

/** The forecasts of a history's servers. */
export class FleetForecast extends Forecast {
  readonly model: ModelDescription;
  /** What ran the model, and in which arithmetic. */
  readonly info: RanBy;
  /** Every server that could be forecast, by name. */
  readonly forecasts: readonly ServerForecast[];
  /** The servers that could not, and why. */
  readonly refused: readonly RefusedServer[];
  /** What was filled, merged or doubtful in the history. */
  readonly warnings: readonly HistoryWarning[];
  /** Whether the history is simulated. Say so wherever a forecast is shown. */
  readonly simulated: boolean;
  /** The time from the first request to the engine to its last result. */
  readonly milliseconds: number;

  /** @internal */
  constructor(parts: FleetForecastParts) {
    const { model, windows, data, outputs, sorted, clipped } = parts;
    const { quantiles, horizon, stepMinutes, target } = model;
    const { servers } = windows;
    super(data, [servers.length, horizon, quantiles.length], quantiles, outputs, {
      target,
      unit: targetOf(model).unit,
      stepMinutes,
      sorted,
      clipped,
      names: servers.map(({ server }) => server),
      starts: servers.map(({ start }) => start),
      explained: outputs && explainedBy(model),
    });
    this.model = model;
    this.info = { backend: parts.info.backend, precision: parts.info.precision };
    this.refused = windows.refused;
    this.warnings = windows.warnings;
    this.simulated = parts.simulated;
    this.milliseconds = parts.milliseconds;
    const size = horizon * quantiles.length;
    this.forecasts = servers.map(({ server, start, inputs, steps }, index) => {
      const values = data.subarray(index * size, (index + 1) * size);
      const history = targetSteps(inputs.encoderCont, steps, model);
      const explain = this.explainer(index);
      return new ServerForecast({ server, start, stepMinutes, quantiles, values, history, explain });
    });
  }

  override series(series: number | string): ServerForecast {
    return super.series(series) as ServerForecast;
  }

  override *[Symbol.iterator](): Generator<ServerForecast> {
    yield* this.forecasts;
  }

  /** The fields of the JSON other than the forecasts; `schemas/forecast.schema.json` describes the whole. */
  describe(): Record<string, unknown> {
    const { target, unit } = this.about;
    return {
      model: this.model.name,
      ...(this.simulated ? { simulated: true } : {}),
      target,
      unit,
      ...this.info,
      sorted: this.sorted,
      clipped: this.clipped,
    };
  }

  override toJSON(): Record<string, unknown> {
    const { forecasts, refused, warnings } = this;
    return { ...this.describe(), forecasts: forecasts.map((one) => one.toJSON()), refused, warnings };
  }

  protected override view(index: number): ServerForecast {
    return this.forecasts[index] as ServerForecast;
  }
}

/** Runs the windows of a history, in parts that the engine's queue takes. @throws TFTError as `TFTEngine.predict`. */
export async function forecastWindows(
  engine: Forecaster,
  windows: FleetWindows,
  options: ForecastOptions,
): Promise<FleetForecast> {
  const { model, info } = engine;
  const { signal, deadlineMs, sorted = true, clipped = true, simulated = false, onProgress } = options;
  const total = windows.servers.length;
  const size = model.horizon * model.quantiles.length;
  const data = new Float32Array(total * size);
  const parts: Forecast[] = [];
  const begin = performance.now();
  let next = 0;
  let done = 0;
  const run = async () => {
    while (next < total) {
      const from = next;
      next = Math.min(total, from + info.maxBatch);
      const to = next;
      parts[from] = await engine.predict(sliceInputs(windows.packed, model, from, to), {
        signal,
        deadlineMs,
        sorted,
        clipped,
        out: data.subarray(from * size, to * size),
        // The windows were made for this call, so no other code writes to them.
        borrow: true,
      });
      done += to - from;
      onProgress?.(done, total);
    }
  };
  // One part for each thread and one that waits: more would only fill the queue that others need too.
  const abreast = Math.max(1, Math.min(info.threads + 1, Math.floor(info.queueLimit / info.maxBatch)));
  await Promise.all(Array.from({ length: abreast }, run));
  const milliseconds = performance.now() - begin;
  const outputs = total === 0 ? undefined : joined(parts.filter((part) => part !== undefined));
  return new FleetForecast({ model, info, windows, data, outputs, sorted, clipped, simulated, milliseconds });
}

/** The target's channel of the last `steps` of one server's encoder. */
function targetSteps(encoderCont: Float32Array, steps: number, model: ModelDescription): Float32Array {
  const { channel } = targetOf(model);
  const first = model.encoderLength - steps;
  return Float32Array.from(
    { length: steps },
    (_, step) => encoderCont[(first + step) * model.metrics.length + channel] as number,
  );
}

/** The further outputs of all parts, one after the other. */
function joined(parts: readonly Forecast[]): Record<string, FurtherOutput> {
  const names = Object.keys(parts[0]?.outputs ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const pieces = parts.map(({ outputs }) => outputs[name] as FurtherOutput);
      const [, steps, channels] = (pieces[0] as FurtherOutput).shape;
      const batch = pieces.reduce((sum, { shape }) => sum + shape[0], 0);
      const isWhole = (pieces[0] as FurtherOutput).data instanceof Int32Array;
      const data = new (isWhole ? Int32Array : Float32Array)(batch * steps * channels);
      let at = 0;
      for (const piece of pieces) {
        data.set(piece.data, at);
        at += piece.data.length;
      }
      return [name, { data, shape: [batch, steps, channels] as const }];
    }),
  );
}
