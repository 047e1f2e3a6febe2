// The results of a history: the windows of servers that can be forecast, the servers that cannot, and warnings.
import type { TFTErrorCode } from '../contract/errors.js';
import type { ForecastInputs } from '../contract/inputs.js';
import type { ModelDescription } from '../contract/model.js';

/** The part of a model's description that a history depends on. */
export type HistoryModel = Pick<
  ModelDescription,
  'stepMinutes' | 'encoderLength' | 'horizon' | 'metrics' | 'categories' | 'known'
> &
  Partial<
    Pick<
      ModelDescription,
      'target' | 'inputs' | 'statics' | 'series' | 'stepMonths' | 'readAhead' | 'minEncoderLength'
    >
  >;

/** Consecutive missing steps that took the values of the row before them. */
export interface FilledGap {
  readonly from: Date;
  readonly steps: number;
}

/** The window of one server. */
export interface ServerWindow {
  readonly server: string;
  /** The time of the first step of the forecast. */
  readonly start: Date;
  /** The arrays of this server alone: views into {@link FleetWindows.packed}. */
  readonly inputs: ForecastInputs;
  readonly filled: readonly FilledGap[];
  /** How many of the encoder's last steps there are: all, but for a model that takes fewer. */
  readonly steps: number;
}

/** A server that cannot be forecast, and why. */
export interface RefusedServer {
  readonly server: string;
  readonly code: TFTErrorCode;
  readonly message: string;
}

/** A property of the history that readers of the forecasts should know. */
export interface HistoryWarning {
  readonly kind: /** Missing steps took the row before them. */
    | 'filled'
    /** A server with fewer steps than the model can read; those it has were enough. */
    | 'short'
    /** A server's newest row is older than the rest of the fleet's. */
    | 'stale'
    /** Duplicate rows; one was kept. */
    | 'repeated'
    /** Different rows for one server and time; the last one was kept. */
    | 'conflicting'
    /** Several rows for one step of the grid; they were averaged. */
    | 'merged'
    /** Rows with an empty metric; they count as missing. */
    | 'incomplete'
    /** A category value that the model does not know. */
    | 'category'
    /** Values of the calendar that are not those of the time stamp; they are not used. */
    | 'calendar'
    /** Values outside a metric's range; they are used anyway. */
    | 'range'
    /** Values that the column map's clip changed. */
    | 'clipped'
    /** A percentage that is never above 1: a share, most likely. */
    | 'scale'
    /** A server whose target has the same value in the whole window. */
    | 'constant';
  readonly message: string;
  /** The number of rows, steps or values. */
  readonly count: number;
  /** The server, if the warning is about one. */
  readonly server?: string;
}

/** What {@link FleetHistory.windows} returns. */
export interface FleetWindows {
  /** Servers that can be forecast, by name (digits as numbers: vm2 before vm10). */
  readonly servers: readonly ServerWindow[];
  /** The same servers in one batch, in the same order. */
  readonly packed: ForecastInputs;
  readonly refused: readonly RefusedServer[];
  readonly warnings: readonly HistoryWarning[];
}
