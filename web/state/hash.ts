// The page's state in its address, so that a link shows others the same.
import type { RiskLevel, ServerState } from '../../src/fleet/api.js';
import { COLUMNS, type Column, type Filter, firstDirection, NO_FILTER, type Sort } from './rows.js';

export interface ServersView {
  readonly view: 'servers';
  readonly sort: Sort;
  readonly filter: Filter;
  /** The page, from 1, in the mode of plain pages; undefined where rows are windowed. */
  readonly page: number | undefined;
}

export interface ServerView {
  readonly view: 'server';
  readonly server: string;
  /** The horizon in minutes whose past forecasts are shown. */
  readonly past: number | undefined;
  /** Whether the table of values is open. */
  readonly values: boolean;
}

export type Route = ServersView | ServerView | { readonly view: 'alerts' | 'accuracy' | 'engine' };

const LEVELS: readonly RiskLevel[] = ['ok', 'warning', 'critical'];
const STATES: readonly ServerState[] = ['ready', 'warming-up', 'stale', 'refused'];
export const FIRST_VIEW: ServersView = {
  view: 'servers',
  sort: { column: 'risk', descending: true },
  filter: NO_FILTER,
  page: undefined,
};

/** Reads `#/servers?sort=-risk&q=db`. Unknown parts are left out; an unknown view becomes the first one. */
export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const parameters = new URLSearchParams(query);
  const [view, server] = path.split('/', 2);
  if (view === 'servers' && server !== undefined && server !== '') {
    const past = Number(parameters.get('past'));
    return {
      view: 'server',
      server: decode(server),
      past: past > 0 && Number.isFinite(past) ? past : undefined,
      values: parameters.get('values') === 'shown',
    };
  }
  if (view === 'alerts' || view === 'accuracy' || view === 'engine') return { view };
  const page = Number(parameters.get('page'));
  return {
    view: 'servers',
    sort: parseSort(parameters.get('sort')),
    filter: {
      text: parameters.get('q') ?? '',
      level: LEVELS.find((level) => level === parameters.get('level')),
      profile: parameters.get('profile') ?? undefined,
      state: STATES.find((state) => state === parameters.get('state')),
    },
    page: Number.isInteger(page) && page > 0 ? page : undefined,
  };
}

/** The opposite of parseHash. Defaults are left out. */
export function toHash(route: Route): string {
  const parameters = new URLSearchParams();
  if (route.view === 'server') {
    if (route.past !== undefined) parameters.set('past', String(route.past));
    if (route.values) parameters.set('values', 'shown');
    return join(`#/servers/${encodeURIComponent(route.server)}`, parameters);
  }
  if (route.view !== 'servers') return `#/${route.view}`;
  const { sort, filter, page } = route;
  const { column, descending } = sort;
  if (column !== FIRST_VIEW.sort.column || descending !== FIRST_VIEW.sort.descending) {
    parameters.set('sort', `${descending ? '-' : ''}${column}`);
  }
  if (filter.text !== '') parameters.set('q', filter.text);
  if (filter.level !== undefined) parameters.set('level', filter.level);
  if (filter.profile !== undefined) parameters.set('profile', filter.profile);
  if (filter.state !== undefined) parameters.set('state', filter.state);
  if (page !== undefined) parameters.set('page', String(page));
  return join('#/servers', parameters);
}

/** Sorting by the same column reverses its order; another column starts with its own order. */
export function sortBy(sort: Sort, column: Column): Sort {
  return { column, descending: sort.column === column ? !sort.descending : firstDirection(column) };
}

function parseSort(text: string | null): Sort {
  const column = COLUMNS.find((each) => each === text?.replace(/^-/, ''));
  return column === undefined ? FIRST_VIEW.sort : { column, descending: text?.startsWith('-') ?? false };
}

function join(path: string, parameters: URLSearchParams): string {
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

/** A name that is not encoded correctly is used as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
