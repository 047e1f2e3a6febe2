// Writes the forecasts of each run to receivers of Prometheus's remote write: the series of /metrics, each with the time at which
// it was made. A receiver would refuse samples of the time that is forecast, since it is in the future, and each forecast of
// the same time would replace the one before it.
import { setImmediate } from 'node:timers/promises';
import type { Fleet } from '../fleet.js';
import type { ForecastSeriesSet, LabelledServer } from '../forecast-series.js';
import type { WriteQueue } from './write-queue.js';
import { type WrittenSeries, writeRequest } from './write-request.js';

/** As many as Prometheus sends in one request. */
const MAX_SAMPLES = 2000;

/** A server whose series the receivers have. */
interface Written extends LabelledServer {
  readonly madeAt: number;
}

export class RemoteWriter {
  readonly #fleet: Fleet;
  readonly #forecasts: ForecastSeriesSet;
  readonly #queues: readonly WriteQueue[];
  /** By place. */
  readonly #written = new Map<number, Written>();
  #isWanted = false;
  #writing: Promise<void> | undefined;

  constructor(fleet: Fleet, forecasts: ForecastSeriesSet, queues: readonly WriteQueue[]) {
    this.#fleet = fleet;
    this.#forecasts = forecasts;
    this.#queues = queues;
  }

  /** Queues the forecasts that were made since the last call. Returns at once. */
  write(): void {
    this.#isWanted = true;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything is written, refused or lost. */
  async idle(): Promise<void> {
    await this.#writing;
    await Promise.all(this.#queues.map((queue) => queue.idle()));
  }

  /** After the last run. @param graceMs how long receivers may still take what waits. */
  async close(graceMs?: number): Promise<void> {
    await this.#writing;
    await Promise.all(this.#queues.map((queue) => queue.close(graceMs)));
  }

  async #writeAll(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      let part: WrittenSeries[] = [];
      for (const series of this.#newSeries()) {
        if (part.length > 0 && part.length + series.length > MAX_SAMPLES) {
          this.#put(part);
          part = [];
          await setImmediate();
        }
        part.push(...series);
      }
      if (part.length > 0) this.#put(part);
    }
  }

  #put(part: readonly WrittenSeries[]): void {
    const request = { body: writeRequest(part), samples: part.length };
    for (const queue of this.#queues) queue.put(request);
  }

  /**
   * By server, the series of new forecasts, and the ends of series that are no longer at /metrics. All of a server at once, since
   * its next forecast overwrites this one.
   */
  *#newSeries(): Generator<WrittenSeries[]> {
    const gone = new Map(this.#written);
    for (const { place, server, forecast, isLeftOut } of this.#forecasts.servers()) {
      if (isLeftOut) continue;
      const before = this.#written.get(place);
      const isKnown = before !== undefined && this.#forecasts.areSame(before, server);
      if (isKnown) gone.delete(place);
      const { madeAt } = forecast;
      if (isKnown && before.madeAt === madeAt) continue;
      this.#written.set(place, { name: server.name, profile: server.profile, madeAt });
      yield this.#seriesOf(server, madeAt, forecast.values);
    }
    const now = this.#fleet.clock.now();
    for (const [place, server] of gone) {
      if (this.#written.get(place) === server) this.#written.delete(place);
      yield this.#seriesOf(server, now);
    }
  }

  #seriesOf(server: LabelledServer, time: number, values?: Float32Array): WrittenSeries[] {
    const { name } = this.#forecasts;
    return Array.from(this.#forecasts.seriesOf(server), ({ labels, at }) => ({
      labels: { __name__: name, ...labels },
      value: values?.[at],
      time,
    }));
  }
}
