// The state of the page as signals: a view that reads one is rendered again when it changes.
import { computed, effect, signal } from '@preact/signals';
import type { Alerts } from '../../src/fleet/api.js';
import type { Fleet } from '../state/fleet.js';
import { FIRST_VIEW, parseHash, type Route, type ServersView, toHash } from '../state/hash.js';
import { tally, visibleRows } from '../state/rows.js';
import type { Zone } from '../state/times.js';

export type Connection =
  | { readonly phase: 'loading' | 'live' | 'paused' }
  | { readonly phase: 'key-needed'; readonly wasRefused: boolean }
  | { readonly phase: 'lost'; readonly why: string; readonly retryAt: number };
export type Theme = 'auto' | 'light' | 'dark';

export const fleet = signal<Fleet | undefined>(undefined);
export const alerts = signal<Alerts | undefined>(undefined);
export const connection = signal<Connection>({ phase: 'loading' });
/** The time of the last data or comment from the daemon, in milliseconds since 1970. */
export const heardAt = signal<number | undefined>(undefined);
/** The present second. Only views that show an age read it. */
export const present = signal(Date.now());
/** The announcement for screen readers. */
export const spoken = signal('');

export const route = signal<Route>(parseHash(location.hash));
/** The table's address, for returning to it. */
export const lastServers = signal<ServersView>(FIRST_VIEW);
export const zone = signal<Zone>(localStorage.getItem('tft-zone') === 'utc' ? 'utc' : 'local');
export const theme = signal<Theme>(themeOf(localStorage.getItem('tft-theme')));

export const counts = computed(() => tally(fleet.value?.rows ?? []));
export const rows = computed(() => {
  const { filter, sort } = lastServers.value;
  return visibleRows(fleet.value?.rows ?? [], filter, sort);
});

/** Changes the address without a new entry in the browser's history: for filters while they are typed. */
export function replaceRoute(next: Route): void {
  history.replaceState(null, '', toHash(next));
  route.value = next;
}

/** Keeps the signals up to date with the address, the clock and the user's choices. */
export function follow(): void {
  addEventListener('hashchange', () => {
    route.value = parseHash(location.hash);
  });
  effect(() => {
    if (route.value.view === 'servers') lastServers.value = route.value;
  });
  setInterval(() => {
    if (!document.hidden) present.value = Date.now();
  }, 1000);
  effect(() => localStorage.setItem('tft-zone', zone.value));
  effect(() => {
    localStorage.setItem('tft-theme', theme.value);
    if (theme.value === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  });
}

function themeOf(text: string | null): Theme {
  return text === 'light' || text === 'dark' ? text : 'auto';
}
