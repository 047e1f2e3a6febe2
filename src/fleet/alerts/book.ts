// The book of alerts: what is pending, firing and resolved, by rule and server. It depends on no clock, network or daemon, so a
// preview uses it exactly as the daemon does.
import type { Alert } from '../api.js';
import {
  type CrossingTimes,
  crossingTimes,
  inspect,
  type OutlookShape,
  type ServerOutlook,
} from './crossing.js';
import type { Rule } from './rule.js';
import { alertText, resolvedText } from './text.js';

/** How many resolved alerts are remembered. */
const RECENT = 200;
const MINUTE = 60_000;

interface Entry {
  readonly rule: Rule;
  readonly server: string;
  state: 'pending' | 'firing';
  since: number;
  /** Consecutive forecasts that cross the threshold or, while the alert fires, have recovered. */
  run: number;
  updated: number;
  value: number;
  text: string;
  crossing: CrossingTimes;
}

/** The state that survives a restart. */
export type BookRecord = readonly {
  readonly rule: string;
  readonly server: string;
  readonly state: 'pending' | 'firing';
  readonly since: number;
  readonly run: number;
  readonly updated: number;
  readonly alert: Alert;
}[];

export type ChangeListener = (alert: Alert, rule: Rule, at: number) => void;

export class AlertBook {
  readonly #shape: OutlookShape;
  #rules: readonly Rule[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #firing = new Set<string>();
  #recent: Alert[] = [];
  readonly #listeners: ChangeListener[] = [];

  constructor(rules: readonly Rule[], shape: OutlookShape) {
    this.#shape = shape;
    this.#rules = rules;
  }

  get rules(): readonly Rule[] {
    return this.#rules;
  }

  /** Calls back when an alert becomes pending, fires or is resolved. */
  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Compares a server's new forecast with all rules. */
  update(outlook: ServerOutlook): void {
    for (const rule of this.#rules) {
      const key = keyOf(rule, outlook.server);
      const entry = this.#entries.get(key);
      if (entry === undefined && !rule.watches(outlook.server, outlook.profile)) continue;
      const { first, recovered, extreme } = inspect(rule, outlook, this.#shape);
      if (entry === undefined && first === undefined) continue;
      this.#step(key, entry, rule, outlook, first, recovered, extreme);
    }
  }

  /** A condition that needs no forecast: it fires at once, and ends at once. */
  condition(rule: Rule, isSo: boolean, text: string, value: number, at: number): void {
    const key = keyOf(rule, '');
    const entry = this.#entries.get(key);
    if (!isSo) {
      if (entry !== undefined) this.#end(key, entry, at, 'recovered', text);
      return;
    }
    if (entry !== undefined) {
      Object.assign(entry, { updated: at, text, value });
      return;
    }
    const crossing = { earliest: undefined, likely: undefined, latest: undefined };
    const next: Entry = {
      rule,
      server: '',
      state: 'firing',
      since: at,
      run: 0,
      updated: at,
      value,
      text,
      crossing,
    };
    this.#entries.set(key, next);
    this.#firing.add(key);
    this.#tell(next, 'firing', at);
  }

  /** Ends alerts of servers that have had no forecast for a whole horizon. */
  expire(now: number): void {
    const limit = now - this.#shape.horizon * this.#shape.stepMs;
    for (const [key, entry] of this.#entries) if (entry.updated < limit) this.#end(key, entry, now, 'silent');
  }

  /** Replaces the rules. Alerts of unchanged rules continue; all others end. */
  replaceRules(rules: readonly Rule[], now: number): void {
    const same = new Map(
      rules
        .filter((rule) => this.#rules.some((old) => old.id === rule.id && isSame(old, rule)))
        .map((rule) => [rule.id, rule]),
    );
    this.#rules = rules;
    for (const [key, entry] of this.#entries) {
      const rule = same.get(entry.rule.id);
      if (entry.server === '') continue;
      if (rule === undefined) this.#end(key, entry, now, 'removed');
      else this.#entries.set(key, { ...entry, rule });
    }
  }

  /** Firing ones first, then the newest. A warning is left out while the same rule's critical alert fires. */
  active(): Alert[] {
    return this.#shown()
      .map((entry) => this.#alert(entry, entry.state))
      .sort((a, b) => compare(a.state, b.state) || compare(b.since, a.since) || compare(a.id, b.id));
  }

  /** The firing alerts with their rules, for the notifier. */
  firing(): { readonly alert: Alert; readonly rule: Rule }[] {
    return this.#shown()
      .filter(({ state }) => state === 'firing')
      .map((entry) => ({ alert: this.#alert(entry, 'firing'), rule: entry.rule }));
  }

  /** Resolved ones, the newest first. */
  get recent(): readonly Alert[] {
    return this.#recent;
  }

  record(): BookRecord {
    return [...this.#entries.values()].map((entry) => ({
      rule: entry.rule.id,
      server: entry.server,
      state: entry.state,
      since: entry.since,
      run: entry.run,
      updated: entry.updated,
      alert: this.#alert(entry, entry.state),
    }));
  }

  /** Restores what {@link record} returned before a restart; entries of rules that no longer exist are left out. */
  restore(record: BookRecord): void {
    for (const { rule: id, server, state, since, run, updated, alert } of record) {
      const rule = this.#rules.find(
        (candidate) => candidate.id === id && candidate.threshold === alert.threshold,
      );
      if (rule === undefined) continue;
      const time = (text: string | null | undefined) =>
        text === null || text === undefined ? undefined : Date.parse(text);
      const { crossing } = alert;
      this.#entries.set(keyOf(rule, server), {
        rule,
        server,
        state,
        since,
        run,
        updated,
        value: alert.value ?? Number.NaN,
        text: alert.text,
        crossing: {
          earliest: time(crossing?.earliest),
          likely: time(crossing?.likely),
          latest: time(crossing?.latest),
        },
      });
      if (state === 'firing') this.#firing.add(keyOf(rule, server));
    }
  }

  #step(
    key: string,
    entry: Entry | undefined,
    rule: Rule,
    outlook: ServerOutlook,
    first: number | undefined,
    recovered: boolean,
    extreme: number,
  ): void {
    const { at, server, start } = outlook;
    if (first === undefined && entry?.state === 'pending') {
      this.#entries.delete(key);
      return;
    }
    const crossing = crossingTimes(rule, outlook, this.#shape);
    const firstAt = first === undefined ? undefined : start + first * this.#shape.stepMs;
    const text = alertText(rule, server, at, firstAt, crossing, this.#shape.stepMs / MINUTE);
    const seen = { updated: at, value: extreme, text, crossing };
    if (entry?.state === 'firing') {
      const run = recovered ? entry.run + 1 : 0;
      Object.assign(entry, first === undefined ? { updated: at, value: extreme } : seen, { run });
      if (run >= rule.forecasts) this.#end(key, entry, at, 'recovered');
      return;
    }
    const run = (entry?.run ?? 0) + 1;
    const fires = run >= rule.forecasts;
    const next: Entry = {
      rule,
      server,
      state: fires ? 'firing' : 'pending',
      since: fires ? at : (entry?.since ?? at),
      run: fires ? 0 : run,
      ...seen,
    };
    this.#entries.set(key, next);
    if (fires) this.#firing.add(key);
    if ((fires || entry === undefined) && !this.#isOutranked(next)) this.#tell(next, next.state, at);
  }

  #end(
    key: string,
    entry: Entry,
    now: number,
    why: 'recovered' | 'silent' | 'removed',
    text = resolvedText(entry.rule, entry.server, why),
  ): void {
    this.#entries.delete(key);
    this.#firing.delete(key);
    if (entry.state === 'pending') return;
    const wasOutranked = this.#isOutranked(entry);
    entry.text = text;
    entry.since = now;
    this.#recent = [this.#alert(entry, 'resolved'), ...this.#recent].slice(0, RECENT);
    if (!wasOutranked) this.#tell(entry, 'resolved', now);
  }

  #shown(): Entry[] {
    return [...this.#entries.values()].filter((entry) => !this.#isOutranked(entry));
  }

  #isOutranked({ rule, server }: Entry): boolean {
    return rule.outranked !== undefined && this.#firing.has(`${rule.outranked}\n${server}`);
  }

  #tell(entry: Entry, state: Alert['state'], at: number): void {
    const alert = this.#alert(entry, state);
    for (const listener of this.#listeners) listener(alert, entry.rule, at);
  }

  #alert({ rule, server, since, text, value, crossing }: Entry, state: Alert['state']): Alert {
    const time = (when: number | undefined) => (when === undefined ? null : new Date(when).toISOString());
    const { earliest, likely, latest } = crossing;
    return {
      id: `${rule.id}/${server}`,
      rule: rule.name,
      severity: rule.severity,
      server,
      metric: rule.metric,
      state,
      since: new Date(since).toISOString(),
      text,
      value: Number.isFinite(value) ? value : null,
      threshold: rule.threshold,
      crossing:
        earliest === undefined && likely === undefined && latest === undefined
          ? null
          : { earliest: time(earliest), likely: time(likely), latest: time(latest) },
      labels: { ...rule.labels },
    };
  }
}

function keyOf({ id }: Rule, server: string): string {
  return `${id}\n${server}`;
}

function isSame(a: Rule, b: Rule): boolean {
  return JSON.stringify(a.settings) === JSON.stringify(b.settings);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
