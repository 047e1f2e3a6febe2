// The table of servers. Only the rows in view are in the document, because there may be thousands; the keyboard reaches all.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { OverviewRow } from '../../src/fleet/api.js';
import { fleet, lastServers, replaceRoute } from '../live/store.js';
import { sortBy } from '../state/hash.js';
import { count } from '../state/numbers.js';
import { type Column, NO_FILTER } from '../state/rows.js';
import { rowsInView, stretches } from '../state/window-rows.js';
import { ServerRow } from './server-row.js';

interface Heading {
  readonly column: Column | undefined;
  readonly name: string;
  readonly kind: string;
}

const HEADINGS: readonly Heading[] = [
  { column: 'server', name: 'Server', kind: 'server' },
  { column: 'profile', name: 'Profile', kind: 'profile' },
  { column: 'risk', name: 'Risk', kind: 'risk' },
  { column: 'now', name: 'Now', kind: 'number' },
  { column: undefined, name: 'Past and ahead', kind: 'trend' },
  { column: 'peak', name: 'Peak ahead', kind: 'peak' },
  { column: 'crossing', name: 'Crosses', kind: 'crossing' },
  { column: 'state', name: 'Data age', kind: 'state' },
];

const NARROW = matchMedia('(max-width: 720px)');
/** The same as in table.css: all rows have one height, so that the scroll bar is correct. */
const rowHeightNow = () => (NARROW.matches ? 56 : 38);

interface ServerTableProps {
  readonly list: readonly OverviewRow[];
  /** The index of the first of these rows among all. */
  readonly first: number;
  readonly total?: number;
  readonly isWindowed?: boolean;
}

export function ServerTable({ list, first, total = list.length, isWindowed = false }: ServerTableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [focused, setFocused] = useState<string | undefined>(undefined);
  const wanted = useRef<string | undefined>(undefined);
  const rowHeight = useRowHeight();
  const inView = useRowsInView(body, rowHeight, list.length);
  const window = isWindowed ? inView : { from: 0, to: list.length };
  const kept = focused === undefined ? undefined : list.findIndex(({ server }) => server === focused);
  const linkOf = (server: string) =>
    body.current?.querySelector<HTMLElement>(`a[data-server="${CSS.escape(server)}"]`) ?? undefined;

  useLayoutEffect(() => {
    const goal = wanted.current;
    const link = goal === undefined ? undefined : linkOf(goal);
    if (link) {
      wanted.current = undefined;
      link.focus();
      link.scrollIntoView({ block: 'nearest' });
    } else if (focused !== undefined && document.activeElement === document.body) {
      // Rows that moved have taken the focus with them.
      linkOf(focused)?.focus({ preventScroll: true });
    }
  });

  useEffect(() => {
    // A click elsewhere leaves the row.
    const leave = ({ target }: Event) => {
      if (!(target as Element).closest?.('a[data-server]')) setFocused(undefined);
    };
    addEventListener('pointerdown', leave);
    return () => removeEventListener('pointerdown', leave);
  }, []);

  const move = (to: number) => {
    const server = list[Math.max(0, Math.min(list.length - 1, to))]?.server;
    if (server === undefined) return;
    wanted.current = server;
    setFocused(server);
    // Also if the row has the focus already, such as at the end.
    linkOf(server)?.scrollIntoView({ block: 'nearest' });
  };

  const { sort } = lastServers.value;
  const unit = fleet.value?.about.model.unit ?? '';
  return (
    <table class="servers" aria-rowcount={total + 1}>
      <caption class="unseen">
        {count(total)} servers, sorted by {sort.column}, {sort.descending ? 'descending' : 'ascending'}
      </caption>
      <thead>
        <tr aria-rowindex={1}>
          {HEADINGS.map(({ column, name, kind }) => (
            <th
              key={name}
              scope="col"
              class={kind}
              aria-sort={column !== sort.column ? undefined : sort.descending ? 'descending' : 'ascending'}
            >
              {column === undefined ? (
                <span class="unseen">{name}</span>
              ) : (
                <button
                  type="button"
                  onClick={() => replaceRoute({ ...lastServers.value, sort: sortBy(sort, column) })}
                >
                  {name}
                  {kind === 'number' && unit !== '' ? <span class="unit"> {unit}</span> : null}
                  <span class="direction" aria-hidden="true">
                    {column !== sort.column ? '' : sort.descending ? '↓' : '↑'}
                  </span>
                </button>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody
        ref={body}
        onFocusIn={({ target }) => setFocused((target as HTMLElement).dataset.server)}
        onFocusOut={({ relatedTarget }) => {
          if (relatedTarget) setFocused(undefined);
        }}
        onKeyDown={(event) => {
          const to = kept === undefined || kept < 0 ? undefined : target(event.key, kept, list.length);
          if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          move(to);
        }}
      >
        {stretches(window, list.length, kept).map((stretch) =>
          stretch.isGap ? (
            <Gap
              key={`gap ${stretch.from === 0 ? 'above' : stretch.to}`}
              height={(stretch.to - stretch.from) * rowHeight}
            />
          ) : (
            list
              .slice(stretch.from, stretch.to)
              .map((row, index) => (
                <ServerRow key={row.server} row={row} index={first + stretch.from + index + 2} />
              ))
          ),
        )}
        {list.length === 0 ? <NoMatch /> : null}
      </tbody>
    </table>
  );
}

function target(key: string, from: number, rows: number): number | undefined {
  const page = Math.max(1, Math.floor(innerHeight / rowHeightNow()) - 3);
  switch (key) {
    case 'ArrowDown':
      return from + 1;
    case 'ArrowUp':
      return from - 1;
    case 'PageDown':
      return from + page;
    case 'PageUp':
      return from - page;
    case 'Home':
      return 0;
    case 'End':
      return rows - 1;
    default:
      return undefined;
  }
}

function Gap({ height }: { height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row cannot have the focus, and this one is no row
    <tr class="gap" aria-hidden="true">
      <td colSpan={HEADINGS.length} style={{ height: `${height}px` }} />
    </tr>
  );
}

function NoMatch() {
  return (
    <tr>
      <td colSpan={HEADINGS.length} class="nothing">
        No server matches.{' '}
        <button type="button" onClick={() => replaceRoute({ ...lastServers.value, filter: NO_FILTER })}>
          Show all
        </button>
      </td>
    </tr>
  );
}

function useRowHeight(): number {
  const [height, set] = useState(rowHeightNow);
  useEffect(() => {
    const change = () => set(rowHeightNow());
    NARROW.addEventListener('change', change);
    return () => NARROW.removeEventListener('change', change);
  }, []);
  return height;
}

/** The rows in view, as the page is scrolled. */
function useRowsInView(body: { current: HTMLElement | null }, rowHeight: number, rows: number) {
  const look = useCallback(() => {
    const top = body.current === null ? 0 : -body.current.getBoundingClientRect().top;
    return rowsInView(top, innerHeight, rowHeight, rows);
  }, [body, rowHeight, rows]);
  const [shown, show] = useState(look);
  useLayoutEffect(() => {
    const change = () =>
      show((before) => {
        const now = look();
        return now.from === before.from && now.to === before.to ? before : now;
      });
    change();
    addEventListener('scroll', change, { passive: true });
    addEventListener('resize', change);
    return () => {
      removeEventListener('scroll', change);
      removeEventListener('resize', change);
    };
  }, [look]);
  return shown;
}
