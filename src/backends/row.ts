// What choosing a backend needs to know of each.
import type { Backend } from '../batching/backend.js';
import type { LoadRequest } from './load-request.js';

/** A row of the table of backends (select.ts). */
export interface BackendRow {
  /** Why it cannot run what is there, whatever else is asked for; undefined where it can. Nothing is loaded to tell. */
  canRun(request: LoadRequest): string | undefined;
  /** Loads it because it was asked for by name: what must be built first is built. */
  load(request: LoadRequest): Promise<Backend>;
  /** What 'auto' may take, the best first: nothing is built for it. */
  atHand(request: LoadRequest): Promise<readonly AtHand[]>;
}

/** Something that can be loaded at once. */
export interface AtHand {
  /** The beginning of a message for when it does not load. */
  readonly failure: string;
  /**
   * Why it was taken.
   *
   * @param reasons why what is better was not.
   */
  why(reasons: readonly string[]): string;
  /** undefined where it turns out not to be there. */
  load(): Promise<Backend | undefined>;
}
