// Prometheus as a source: first the past that the model reads, then each step when it is over. After an outage the missed steps
// are queried again.
import type { ServiceLog } from '../../../service/index.js';
import type { SourceStatus } from '../../api.js';
import type { Fleet } from '../../fleet.js';
import { type Source, SourceLedger } from '../source.js';
import type { PrometheusClient } from './client.js';
import { type FetchedSteps, fetchSteps } from './fetch-steps.js';
import type { PrometheusMapping } from './mapping.js';

/** Scrapes arrive slightly late. */
const SCRAPE_DELAY_MS = 3000;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
/** An answer is parsed in one go, which blocks the event loop. */
const MAX_VALUES = 200_000;
const FIRST_STEPS = 12;

export class PrometheusSource implements Source {
  readonly #client: PrometheusClient;
  readonly #mapping: PrometheusMapping;
  readonly #fleet: Fleet;
  readonly #log: ServiceLog;
  readonly #ledger: SourceLedger;
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The next step to query. */
  #next: number;
  #servers = 0;
  #isAway = false;

  constructor(client: PrometheusClient, mapping: PrometheusMapping, fleet: Fleet, log: ServiceLog) {
    this.#client = client;
    this.#mapping = mapping;
    this.#fleet = fleet;
    this.#log = log;
    this.#ledger = new SourceLedger(client.shownUrl, 'prometheus');
    this.#next = fleet.ring.oldest;
  }

  get status(): SourceStatus {
    return this.#ledger.status;
  }

  /** Resolves when the past is loaded and forecast, or the first attempt failed: an outage must not prevent the start. */
  async start(): Promise<void> {
    const isThere = await this.#catchUp();
    if (isThere) await this.#fleet.forecastNow();
    this.#running = this.#run(isThere ? 0 : FIRST_RETRY_MS);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  async #run(retryMs: number): Promise<void> {
    for (let wait = retryMs; !this.#ended.signal.aborted; ) {
      const { clock } = this.#fleet;
      const due = this.#endOf(this.#next) + SCRAPE_DELAY_MS;
      await clock.until(Math.max(due, clock.now() + wait), this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      const before = this.#next;
      if (await this.#catchUp()) wait = 0;
      else wait = Math.min(MAX_RETRY_MS, Math.max(FIRST_RETRY_MS, 2 * wait));
      // Samples that arrived after their step had closed are in no forecast yet.
      if (this.#next > before && before <= this.#fleet.closed) await this.#fleet.forecastNow();
    }
  }

  #endOf(step: number): number {
    return (step + 0.5) * this.#fleet.stepMs;
  }

  /** Queries all steps that are over. @returns whether all queries succeeded. */
  async #catchUp(): Promise<boolean> {
    const fleet = this.#fleet;
    const last = Math.floor((fleet.clock.now() - SCRAPE_DELAY_MS) / fleet.stepMs - 0.5);
    this.#next = Math.max(this.#next, fleet.ring.oldest);
    const first = this.#next;
    try {
      while (this.#next <= last && !this.#ended.signal.aborted) {
        const steps = this.#servers === 0 ? FIRST_STEPS : Math.max(1, Math.floor(MAX_VALUES / this.#servers));
        const to = Math.min(last, this.#next + steps - 1);
        const signal = this.#ended.signal;
        const fetched = await fetchSteps(this.#client, this.#mapping, fleet.model, this.#next, to, {
          signal,
        });
        this.#servers = Math.max(this.#servers, fetched.servers.size);
        await this.#take(fetched);
        this.#next = to + 1;
      }
      if (this.#isAway)
        this.#log.info({ part: 'fleet', steps: this.#next - first }, 'Prometheus answers again');
      this.#isAway = false;
      return true;
    } catch (error) {
      if (this.#ended.signal.aborted) return false;
      if (!this.#isAway || this.#ledger.status.lastError !== (error as Error).message) {
        this.#log.warn({ err: error, part: 'fleet' }, 'Prometheus does not answer; it is asked again');
      }
      this.#isAway = true;
      this.#ledger.failed(error);
      return false;
    }
  }

  async #take({ from, servers }: FetchedSteps): Promise<void> {
    const { intake, stepMs, model } = this.#fleet;
    const width = model.metrics.length;
    let records = 0;
    let newest: number | undefined;
    for (const [server, { values, categories, found }] of servers) {
      for (let step = 0; step < found.length; step++) {
        if (found[step] === 0) continue;
        const time = (from + step) * stepMs;
        const taken = values.subarray(step * width, (step + 1) * width);
        const outcome = intake.take({ server, time, values: taken, categories, isRecord: true });
        if (outcome !== 'accepted') continue;
        records++;
        newest = Math.max(newest ?? 0, time);
      }
    }
    await this.#fleet.accepted();
    this.#ledger.succeeded(records, newest);
  }
}
