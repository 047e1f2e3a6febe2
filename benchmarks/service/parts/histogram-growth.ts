// The growth of a histogram in the service's /metrics during the watched turns.
import { buckets, parseMetrics } from './prometheus-text.js';

/** The delay of the service's event loop. */
export const LOOP_DELAY = 'tft_event_loop_delay_seconds';
/** The duration of requests from their headers to the end of the response, measured by the service. */
export const REQUEST_DURATION = 'tft_http_request_duration_seconds';

/** Sums up a histogram's growth over several turns. */
export class HistogramGrowth {
  readonly #url: string;
  readonly #metric: string;
  #counts = new Map<number, number>();

  /** @param metric of seconds. */
  constructor(metricsUrl: string, metric: string) {
    this.#url = metricsUrl;
    this.#metric = metric;
  }

  /** Starts watching; call the returned function at the end of the turn. */
  async during(): Promise<() => Promise<void>> {
    const before = await this.#read();
    return async () => {
      for (const [bound, count] of await this.#read()) {
        this.#counts.set(bound, (this.#counts.get(bound) ?? 0) + count - (before.get(bound) ?? 0));
      }
    };
  }

  /** A percentile in milliseconds, interpolated within a bucket as in Prometheus. Then resets. */
  take(part = 0.99): number {
    const counts = [...this.#counts].sort(([a], [b]) => a - b);
    this.#counts = new Map();
    const total = counts.at(-1)?.[1] ?? 0;
    let lower = { bound: 0, count: 0 };
    for (const [bound, count] of counts) {
      if (count >= total * part && count > lower.count) {
        if (bound === Number.POSITIVE_INFINITY) return lower.bound * 1000;
        const share = (total * part - lower.count) / (count - lower.count);
        return (lower.bound + share * (bound - lower.bound)) * 1000;
      }
      lower = { bound, count };
    }
    return Number.NaN;
  }

  async #read(): Promise<Map<number, number>> {
    const answer = await fetch(this.#url);
    return buckets(parseMetrics(await answer.text()), this.#metric);
  }
}
