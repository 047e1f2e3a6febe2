// The interface of the daemon's observers: alerts and the accuracy watch.
import type { Accuracy, AccuracyHorizon, Alert, Alerts, ForecastSource } from './api.js';
import type { FleetArchive } from './store/store.js';

/** A batch of servers that was just forecast. The arrays are valid during the call only. */
export interface ForecastBatch {
  /** The newest step that the model read; the first step forecast is the one after it. */
  readonly step: number;
  /** When it was made, in milliseconds since 1970. */
  readonly madeAt: number;
  /** Places of the servers in the archive. */
  readonly servers: Int32Array;
  /** `[servers][horizon][quantiles]` of the target, sorted and within its range. */
  readonly values: Float32Array;
  /** The model's own forecasts. They differ from `values` only for servers that get naive forecasts. */
  readonly modelValues: Float32Array;
  /** By server of the batch, whether the encoder was not full yet. */
  readonly warmingUp: readonly boolean[];
}

/** What an observer may read from the daemon. */
export interface ObservedFleet {
  readonly archive: FleetArchive;
  readonly stepMs: number;
  readonly horizon: number;
  readonly quantiles: readonly number[];
  /** The position of the target among the model's metrics. */
  readonly targetIndex: number;
  /** A server's name and categories now. */
  serverAt(index: number): { readonly name: string; readonly profile: string; readonly status: string };
}

/**
 * Watches forecasts and measurements. Calls come in this order: earlier steps have changed, the step closes, then batches of
 * forecasts made from it, then `runEnded`. An error is logged; the daemon goes on.
 */
export interface FleetObserver {
  /** Late samples have changed these steps in the archive; oldest first. */
  stepsChanged?(steps: readonly number[], fleet: ObservedFleet): void | Promise<void>;
  /** A step is complete and in the archive. */
  stepClosed?(step: number, fleet: ObservedFleet): void | Promise<void>;
  forecasts?(batch: ForecastBatch, fleet: ObservedFleet): void | Promise<void>;
  /** All servers that were due have been forecast. */
  runEnded?(step: number, fleet: ObservedFleet): void | Promise<void>;
  close?(): Promise<void>;
}

/** The alerts of the daemon. */
export interface AlertsWatch extends FleetObserver {
  state(): Alerts;
  /** Calls back when an alert begins, fires or ends. */
  onAlert(listener: (alert: Alert) => void): void;
}

/** The accuracy of the forecasts. */
export interface AccuracyWatch extends FleetObserver {
  state(): Accuracy;
  /** The accuracy of one server, by its place; null until a forecast was scored. */
  server(index: number): readonly AccuracyHorizon[] | null;
  /**
   * The forecast to use for a server, chosen from earlier steps only. Called for each server before it is forecast, if the
   * daemon runs with fallback 'best'.
   */
  choose?(index: number): ForecastSource;
  /**
   * The naive forecast that suits a server best, `[horizon][quantiles]`. @param window the target as the model reads it, oldest
   * step first: for a server without a history in the accuracy watch.
   */
  naive?(index: number, window: Float32Array): Float32Array;
}
