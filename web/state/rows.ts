// Which servers the table shows and in which order.
import type { OverviewRow, RiskLevel, ServerState } from '../../src/fleet/api.js';

export const COLUMNS = ['server', 'profile', 'risk', 'now', 'peak', 'crossing', 'state'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  readonly column: Column;
  readonly descending: boolean;
}

export interface Filter {
  /** Words that must all occur in the server's name, profile or status. */
  readonly text: string;
  readonly level: RiskLevel | undefined;
  readonly profile: string | undefined;
  readonly state: ServerState | undefined;
}

export const NO_FILTER: Filter = { text: '', level: undefined, profile: undefined, state: undefined };

const names = new Intl.Collator('en', { numeric: true });
const STATE_ORDER: Record<ServerState, number> = { ready: 0, 'warming-up': 1, stale: 2, refused: 3 };

/** Orders by name, with numbers in names by their value. */
export function byName(one: OverviewRow, other: OverviewRow): number {
  return names.compare(one.server, other.server);
}

/** The initial sort direction of a column: servers that need attention come first. */
export function firstDirection(column: Column): boolean {
  return column === 'risk' || column === 'now' || column === 'peak' || column === 'state';
}

/** @param rows ordered by name: the last order among equals. */
export function visibleRows(rows: readonly OverviewRow[], filter: Filter, sort: Sort): OverviewRow[] {
  return sorted(
    rows.filter((row) => matches(row, filter)),
    sort,
  );
}

function matches(row: OverviewRow, { text, level, profile, state }: Filter): boolean {
  if (level !== undefined && row.level !== level) return false;
  if (profile !== undefined && row.profile !== profile) return false;
  if (state !== undefined && row.state !== state) return false;
  if (text === '') return true;
  const hay = `${row.server} ${row.profile} ${row.status}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}

/** Whether the newest measured value is over the threshold already. */
export function isOver({ now, crossing }: OverviewRow): boolean {
  return now !== null && crossing !== null && now >= crossing.threshold;
}

function sorted(rows: OverviewRow[], { column, descending }: Sort): OverviewRow[] {
  if (column === 'server') return descending ? rows.reverse() : rows;
  const sign = descending ? -1 : 1;
  if (column === 'profile')
    return rows.sort((one, other) => sign * names.compare(one.profile, other.profile));
  const key = KEYS[column];
  // Each row's key is computed once.
  const keyed = rows.map((row) => ({ row, value: key(row), time: KEYS.crossing(row) }));
  // Rows with equal keys are in the order of their crossing time.
  keyed.sort((one, other) => compare(one.value, other.value, sign) || compare(one.time, other.time, 1));
  return keyed.map(({ row }) => row);
}

/** Rows without a value come last in both directions. */
function compare(one: number | null, other: number | null, sign: number): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return sign * (one - other);
}

const KEYS: Record<Exclude<Column, 'server' | 'profile'>, (row: OverviewRow) => number | null> = {
  risk: ({ risk }) => risk,
  now: ({ now }) => now,
  peak: ({ peak }) => peak?.value ?? null,
  crossing: ({ crossing }) => {
    const at = crossing?.likely ?? crossing?.earliest ?? null;
    if (at === null) return null;
    // Servers that are expected to cross come before those that might.
    return Date.parse(at) + (crossing?.likely ? 0 : 1e12);
  },
  state: ({ state, ageSeconds }) => STATE_ORDER[state] * 1e9 + (ageSeconds ?? 0),
};

export interface Tally {
  readonly all: number;
  readonly levels: Readonly<Record<RiskLevel, number>>;
  readonly states: Readonly<Record<ServerState, number>>;
  /** Names of profiles in order, with their servers. */
  readonly profiles: readonly (readonly [string, number])[];
}

/** Counts the rows of each filter. */
export function tally(rows: readonly OverviewRow[]): Tally {
  const levels = { ok: 0, warning: 0, critical: 0 };
  const states = { ready: 0, 'warming-up': 0, stale: 0, refused: 0 };
  const profiles = new Map<string, number>();
  for (const { level, state, profile } of rows) {
    levels[level]++;
    states[state]++;
    profiles.set(profile, (profiles.get(profile) ?? 0) + 1);
  }
  return {
    all: rows.length,
    levels,
    states,
    profiles: [...profiles].sort(([one], [other]) => names.compare(one, other)),
  };
}
