// The page's data about the fleet, and how events of the daemon update it. Nothing is mutated.
import type { Alert, AlertEvent, Alerts, Overview, OverviewRow, StepEvent } from '../../src/fleet/api.js';
import { byName } from './rows.js';

export interface Fleet {
  readonly about: Omit<Overview, 'servers'>;
  /** Ordered by name. */
  readonly rows: readonly OverviewRow[];
}

const RECENT_ALERTS = 200;

export function fleetOf({ servers, ...about }: Overview): Fleet {
  return { about, rows: [...servers].sort(byName) };
}

/** Updates the servers of a step; servers that the event does not name stay as they are. */
export function afterStep(fleet: Fleet, { time, servers }: StepEvent): Fleet {
  const changed = new Map(servers.map((row) => [row.server, row]));
  const kept = fleet.rows.map((row) => {
    const now = changed.get(row.server);
    changed.delete(row.server);
    return now ?? row;
  });
  const rows = changed.size === 0 ? kept : [...kept, ...changed.values()].sort(byName);
  return { about: { ...fleet.about, time }, rows };
}

/** Puts an alert in its place: among the active ones, or with the recent ones once it is resolved. */
export function afterAlert(alerts: Alerts, { alert }: AlertEvent): Alerts {
  const others = (list: readonly Alert[]) => list.filter(({ id }) => id !== alert.id);
  const isOver = alert.state === 'resolved';
  return {
    ...alerts,
    active: isOver ? others(alerts.active) : [alert, ...others(alerts.active)],
    recent: isOver ? [alert, ...others(alerts.recent)].slice(0, RECENT_ALERTS) : others(alerts.recent),
  };
}

/** The announcement of alerts that have started to fire; empty if none has. */
export function announcement(before: Alerts, after: Alerts): string {
  const known = new Set(before.active.filter(({ state }) => state === 'firing').map(({ id }) => id));
  const fresh = after.active.filter(({ id, state }) => state === 'firing' && !known.has(id));
  if (fresh.length === 0) return '';
  const names = fresh.slice(0, 3).map(({ server, text }) => `${server}: ${text}`);
  const more = fresh.length > 3 ? ` and ${fresh.length - 3} more` : '';
  return `${fresh.length === 1 ? 'New alert' : `${fresh.length} new alerts`}. ${names.join('; ')}${more}`;
}
