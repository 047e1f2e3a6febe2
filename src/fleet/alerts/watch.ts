// The alerts of the daemon: compares each batch of forecasts with the rules, sends the alerts that fire, and applies changed
// rules at the end of a run, never during one.
import type { Alert, Alerts } from '../api.js';
import type { AlertsWatch, ForecastBatch, ObservedFleet } from '../observer.js';
import { AlertBook, type BookRecord } from './book.js';
import { Notifier } from './notify/notifier.js';
import type { OutboxCounters } from './notify/outbox.js';
import { conditionRule, type Rule, type RuleModel } from './rule.js';
import type { NotifySettings } from './rule-file.js';
import { defaultRules, RulesInUse } from './rules-in-use.js';

const MINUTE = 60_000;
const RECORD = 'book';

export interface FleetAlertsOptions {
  readonly model: RuleModel;
  /** The file of rules; without it there is one rule, for `threshold`. */
  readonly path?: string | undefined;
  readonly threshold?: number | undefined;
  /** Alerts are kept and shown, but not sent. */
  readonly dryRun?: boolean | undefined;
  /** The daemon's part of the servers; a label of the alert about its model. */
  readonly shard?: string | undefined;
  /** Asked at the end of each run whether the model has gone stale. */
  readonly staleness?: (() => { readonly stale: boolean; readonly text: string }) | undefined;
  readonly log?: ((level: 'info' | 'warn', message: string) => void) | undefined;
}

export class FleetAlerts implements AlertsWatch {
  readonly #options: FleetAlertsOptions;
  readonly #source: RulesInUse | undefined;
  readonly #staleModel: Rule;
  readonly #book: AlertBook;
  readonly #listeners: ((alert: Alert) => void)[] = [];
  #notifier: Notifier | undefined;
  #restored = false;
  /** When the newest forecast was made. */
  #now = Number.NEGATIVE_INFINITY;
  #saved = '';

  private constructor(
    options: FleetAlertsOptions,
    source: RulesInUse | undefined,
    rules: readonly Rule[],
    notify: NotifySettings,
  ) {
    const { model } = options;
    this.#options = options;
    this.#source = source;
    const labels = options.shard === undefined ? undefined : { shard: options.shard };
    this.#staleModel = conditionRule('model stale', 'warning', 0, model, labels);
    this.#book = new AlertBook(rules, {
      stepMs: model.stepMinutes * MINUTE,
      horizon: model.horizon,
      quantiles: model.quantiles,
    });
    this.#notifier = this.#notifierOf(notify);
    this.#book.onChange((alert, _rule, at) => {
      for (const listener of this.#listeners) listener(alert);
      if (alert.state === 'resolved') this.#notifier?.resolved(alert, at);
      if (alert.state !== 'pending') this.#log('info', `alert ${alert.rule} ${alert.state}: ${alert.text}`);
    });
  }

  /** @throws TFTError ERR_TFT_FILE or ERR_TFT_RULES_INVALID. */
  static async open(options: FleetAlertsOptions): Promise<FleetAlerts> {
    const { path, threshold, model } = options;
    if (path === undefined) {
      const { rules, notify } = defaultRules(threshold, model);
      return new FleetAlerts(options, undefined, rules, notify);
    }
    const { source, first } = await RulesInUse.open(path, model);
    return new FleetAlerts(options, source, first.rules, first.notify);
  }

  state(): Alerts {
    return {
      active: this.#book.active(),
      recent: [...this.#book.recent],
      rules: this.#book.rules.map(({ name, severity, metric, threshold, quantile, forecasts, settings }) => ({
        name,
        severity,
        metric,
        threshold,
        quantile,
        side: settings.above === undefined ? 'below' : 'above',
        forecasts,
        labels: settings.labels,
      })),
    };
  }

  /** The messages sent, by receiver. */
  get outboxes(): readonly OutboxCounters[] {
    return this.#notifier?.counters ?? [];
  }

  /** Why the file of rules as it is now is not in use; undefined where it is. */
  get problem(): string | undefined {
    return this.#source?.problem;
  }

  onAlert(listener: (alert: Alert) => void): void {
    this.#listeners.push(listener);
  }

  forecasts({ step, madeAt, servers, values }: ForecastBatch, fleet: ObservedFleet): void {
    if (!this.#restored) this.#restore(fleet);
    this.#now = Math.max(this.#now, madeAt);
    const size = fleet.horizon * fleet.quantiles.length;
    const start = (step + 1) * fleet.stepMs;
    for (let row = 0; row < servers.length; row++) {
      const { name, profile } = fleet.serverAt(servers[row] as number);
      this.#book.update({ server: name, profile, at: madeAt, start, values, offset: row * size });
    }
  }

  async runEnded(step: number, fleet: ObservedFleet): Promise<void> {
    if (!this.#restored) this.#restore(fleet);
    const now = Math.max(this.#now, (step + 1) * fleet.stepMs);
    this.#book.expire(now);
    const { stale, text } = this.#options.staleness?.() ?? { stale: false, text: '' };
    this.#book.condition(this.#staleModel, stale, text, stale ? 1 : 0, now);
    this.#notifier?.firing(this.#book.firing(), now);
    await this.#takeChangedRules(now);
    await this.#save(fleet);
  }

  async close(): Promise<void> {
    await this.#notifier?.close();
  }

  async #takeChangedRules(now: number): Promise<void> {
    if (this.#source === undefined) return;
    const before = this.#source.problem;
    const ready = await this.#source.changed();
    if (ready !== undefined) {
      // Created before anything is replaced, so that an error changes nothing.
      const notifier = this.#notifierOf(ready.notify);
      const old = this.#notifier;
      this.#book.replaceRules(ready.rules, now);
      this.#notifier = notifier;
      this.#log('info', `took ${ready.rules.length} rules from ${this.#options.path}`);
      await old?.close();
    } else if (this.#source.problem !== undefined && this.#source.problem !== before) {
      this.#log('warn', `the rules before stay in use: ${this.#source.problem}`);
    }
  }

  #notifierOf(notify: NotifySettings): Notifier | undefined {
    if (this.#options.dryRun) return undefined;
    const stepMs = this.#options.model.stepMinutes * MINUTE;
    return new Notifier(notify, { stepMs, onProblem: (message) => this.#log('warn', message) });
  }

  #restore({ archive }: ObservedFleet): void {
    this.#restored = true;
    const record = archive.records('alerts').get(RECORD) as BookRecord | undefined;
    if (Array.isArray(record)) this.#book.restore(record);
  }

  /** Survives a restart, so that no alert is sent twice and no count starts over. */
  async #save({ archive }: ObservedFleet): Promise<void> {
    const record = this.#book.record();
    const text = JSON.stringify(record);
    if (text === this.#saved) return;
    this.#saved = text;
    await archive.records('alerts').put(RECORD, record);
  }

  #log(level: 'info' | 'warn', message: string): void {
    this.#options.log?.(level, message);
  }
}
