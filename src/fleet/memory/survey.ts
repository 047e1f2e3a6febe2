// Finds which steps of each server's window were measured, and so which servers can be forecast.
import { BLOCK_SERVERS, COMPLETE } from './block.js';
import type { FleetRing } from './ring.js';

/** The measured part of one server's window. Steps are counted from the window's first one. */
export interface WindowSurvey {
  /** The first measured step after the last gap that is too long to fill; the window's length if there is none. */
  readonly first: Int32Array;
  /** How many steps from the first on were measured. */
  readonly measured: Int32Array;
  /** How many steps at the end were not measured. */
  readonly missing: Int32Array;
}

/**
 * The windows that end with the step `end`, of the servers `from` up to but not including `to`, which must be of one
 * block. A gap before the window that reaches into it is seen as well.
 */
export function surveyWindows(ring: FleetRing, end: number, from: number, to: number): WindowSurvey {
  const { window, maxGap } = ring.shape;
  const count = to - from;
  const first = new Int32Array(count).fill(window);
  const measured = new Int32Array(count);
  const missing = new Int32Array(count).fill(window + maxGap);
  const { presence, block, at } = { ...presenceOf(ring, from), at: from % BLOCK_SERVERS };
  const begin = end - window + 1;
  for (let step = Math.max(begin - maxGap, ring.oldest); step <= end; step++) {
    const cell = block.cell(step) + at;
    for (let server = 0; server < count; server++) {
      if (presence[cell + server] !== COMPLETE) {
        missing[server] = (missing[server] as number) + 1;
        continue;
      }
      if ((missing[server] as number) > maxGap) {
        // Steps before a gap that is too long do not count.
        first[server] = step - begin;
        measured[server] = 0;
      }
      missing[server] = 0;
      if (step >= begin) measured[server] = (measured[server] as number) + 1;
    }
  }
  for (let server = 0; server < count; server++) {
    first[server] = Math.max(0, first[server] as number);
    if ((missing[server] as number) > window) missing[server] = window;
  }
  return { first, measured, missing };
}

function presenceOf(ring: FleetRing, server: number) {
  const block = ring.block(server);
  return { presence: block.presence, block };
}
