// The interface of a backend's row in the table of backends.
import type { Backend } from '../batching/backend.js';
import type { LoadRequest } from './load-request.js';

/** A row of the table of backends (select.ts). */
export interface BackendRow {
  /** The reason why this backend cannot run the model, or undefined if it can. Decided without loading anything. */
  canRun(request: LoadRequest): string | undefined;
  /** Loads the model because the backend was asked for by name. May build an engine first. */
  load(request: LoadRequest): Promise<Backend>;
  /** The candidates that 'auto' may load without building, the best first. */
  atHand(request: LoadRequest): Promise<readonly AtHand[]>;
}

/** Something that can be loaded without building it. */
export interface AtHand {
  /** The beginning of the message if loading fails. */
  readonly failure: string;
  /**
   * The reason for choosing it.
   *
   * @param reasons why better candidates were not chosen.
   */
  why(reasons: readonly string[]): string;
  /** @returns undefined if it turns out not to exist. */
  load(): Promise<Backend | undefined>;
}
