// Decides which receiver gets which alert, and when. An Alertmanager gets every firing alert at every run, as it expects;
// webhooks get an alert when it fires, when it ends, and again after a while. In a rule's quiet hours nothing is sent; after
// them, the alerts that still fire are.
import type { Alert } from '../../api.js';
import type { Rule } from '../rule.js';
import type { NotifySettings } from '../rule-file.js';
import { alertmanagerBody, type Outgoing, webhookBody } from './messages.js';
import { Outbox, type OutboxCounters } from './outbox.js';

const MINUTE = 60_000;
/** An Alertmanager treats an alert as ended if it gets no message for this many runs. Prometheus uses the same factor. */
const RUNS_TO_END = 4;
/**
 * How often an end is sent. Prometheus repeats it too: an Alertmanager whose clock is behind reads the first one as an end in
 * the future.
 */
const RUNS_AFTER_END = 3;
const ALERTS_PATH = '/api/v2/alerts';

interface Webhook {
  readonly outbox: Outbox<Outgoing>;
  readonly repeatMs: number;
  /** By alert, when it was sent last. */
  readonly lastSent: Map<string, number>;
}

export interface NotifierOptions {
  readonly stepMs: number;
  readonly onProblem?: ((message: string) => void) | undefined;
  /** As {@link Outbox}'s; for tests. */
  readonly pauseMs?: number | undefined;
}

export class Notifier {
  readonly #stepMs: number;
  readonly #managers: Outbox<Outgoing>[];
  readonly #webhooks: Webhook[];
  /** When the firing alerts that were sent to any receiver began. */
  readonly #known = new Map<string, number>();
  /** Alerts that ended recently. */
  readonly #ended = new Map<string, Outgoing>();

  constructor({ alertmanager, webhooks, source }: NotifySettings, options: NotifierOptions) {
    this.#stepMs = options.stepMs;
    const { onProblem, pauseMs } = options;
    this.#managers = alertmanager.map(
      ({ url, headers }) =>
        new Outbox<Outgoing>({
          url: managerUrl(url),
          headers,
          body: (items) => alertmanagerBody(items, source),
          onProblem,
          pauseMs,
        }),
    );
    this.#webhooks = webhooks.map(({ url, headers, repeat }) => ({
      // One alert a message, so that a receiver that reads only the first of a list misses none.
      outbox: new Outbox<Outgoing>({
        url,
        headers,
        body: (items) => webhookBody(items, source),
        batch: 1,
        onProblem,
        pauseMs,
      }),
      repeatMs: repeat * MINUTE,
      lastSent: new Map(),
    }));
  }

  get counters(): readonly OutboxCounters[] {
    return this.#outboxes().map(({ counters }) => counters);
  }

  /** Sends the alerts that fire now. */
  firing(list: readonly { readonly alert: Alert; readonly rule: Rule }[], now: number): void {
    for (const [id, item] of this.#ended) {
      if (now > item.endsAt + RUNS_AFTER_END * this.#stepMs) this.#ended.delete(id);
      else for (const outbox of this.#managers) outbox.put(id, item);
    }
    for (const { alert, rule } of list) {
      if (rule.isQuiet(now)) continue;
      this.#ended.delete(alert.id);
      const startsAt = Date.parse(alert.since);
      this.#known.set(alert.id, startsAt);
      const item = { alert, startsAt, endsAt: now + RUNS_TO_END * this.#stepMs };
      for (const outbox of this.#managers) outbox.put(alert.id, item);
      for (const { outbox, lastSent, repeatMs } of this.#webhooks) {
        const last = lastSent.get(alert.id);
        if (last !== undefined && now - last < repeatMs) continue;
        lastSent.set(alert.id, now);
        outbox.put(alert.id, item);
      }
    }
  }

  /** Sends the end of an alert to the receivers that got the alert. */
  resolved(alert: Alert, now: number): void {
    const startsAt = this.#known.get(alert.id);
    if (startsAt === undefined) return;
    this.#known.delete(alert.id);
    const item = { alert, startsAt, endsAt: now };
    this.#ended.set(alert.id, item);
    for (const outbox of this.#managers) outbox.put(alert.id, item);
    for (const { outbox, lastSent } of this.#webhooks)
      if (lastSent.delete(alert.id)) outbox.put(alert.id, item);
  }

  /** Resolves when all queues are empty. */
  async idle(): Promise<void> {
    await Promise.all(this.#outboxes().map((outbox) => outbox.idle()));
  }

  async close(graceMs?: number): Promise<void> {
    await Promise.all(this.#outboxes().map((outbox) => outbox.close(graceMs)));
  }

  #outboxes(): Outbox<Outgoing>[] {
    return [...this.#managers, ...this.#webhooks.map(({ outbox }) => outbox)];
  }
}

/** Alertmanager's address may be given with the path of its API or without. */
function managerUrl(url: string): string {
  return url.includes('/api/') ? url : `${url.replace(/\/$/, '')}${ALERTS_PATH}`;
}
