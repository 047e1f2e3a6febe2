// Estimates the time that an engine takes for each series, from the forecasts of the last moments.
//
// An average since the start would be too short under overload: the thread that refuses requests then takes processor time
// from those that forecast, and is late to give them their next batch.
import type { EngineCounters } from '../../batching/counters.js';

type Counters = Pick<EngineCounters, 'busyMicroseconds' | 'servers' | 'waitingServers'>;

/** An estimate is renewed after this time and this many series, so that single runs do not count too much. */
const WINDOW_MS = 100;
const WINDOW_SERIES = 16;
/** The part of a renewed estimate that is new: the queue admits too many by a window that was quick by chance. */
const NEW_SHARE = 0.25;
/** A queue that is not empty at two observations as close as this has not been empty between them. */
const CLOSE_MS = 50;

/** The estimate for one engine. */
export class RunTime {
  readonly #lanes: number;
  #eachMs = 0;
  /** When the window began, and the totals at that time. */
  #begin = { at: Number.NEGATIVE_INFINITY, busyMicroseconds: 0, servers: 0 };
  #lastAt = Number.NEGATIVE_INFINITY;
  /** Whether something has waited all the time since the window began. */
  #isBacklog = false;

  /** @param lanes the number of batches that run in parallel. */
  constructor(lanes: number) {
    this.#lanes = lanes;
  }

  /**
   * Call it while requests arrive.
   *
   * @param now in milliseconds, as performance.now().
   * @returns the milliseconds that all lanes together take for each series; 0 before any has run.
   */
  observe(now: number, counters: Counters): number {
    const { busyMicroseconds, servers, waitingServers } = counters;
    this.#isBacklog &&= waitingServers > 0 && now - this.#lastAt <= CLOSE_MS;
    this.#lastAt = now;
    const elapsedMs = now - this.#begin.at;
    const series = servers - this.#begin.servers;
    const isFirst = this.#eachMs === 0 && series > 0;
    if (isFirst || (elapsedMs >= WINDOW_MS && series >= WINDOW_SERIES)) {
      const runMs = (busyMicroseconds - this.#begin.busyMicroseconds) / 1000 / this.#lanes;
      // With a backlog the time between runs counts too.
      const eachMs = (this.#isBacklog ? Math.max(runMs, elapsedMs) : runMs) / series;
      this.#eachMs += (isFirst ? 1 : NEW_SHARE) * (eachMs - this.#eachMs);
      this.#begin = { at: now, busyMicroseconds, servers };
      this.#isBacklog = waitingServers > 0;
    }
    return this.#eachMs;
  }
}
