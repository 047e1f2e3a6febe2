// The overview of the fleet: the outlook, the filters and the table.

import type { OverviewRow } from '../../src/fleet/api.js';
import { AheadChart } from '../charts/ahead-chart.js';
import { fleet, lastServers, replaceRoute, rows, zone } from '../live/store.js';
import { type AheadBin, crossingsAhead } from '../state/ahead.js';
import { toHash } from '../state/hash.js';
import { count, limit } from '../state/numbers.js';
import { isOver } from '../state/rows.js';
import { crossingText, duration } from '../state/times.js';
import { Filters } from './filters.js';
import { ServerTable } from './server-table.js';

const PAGE = 50;

export function ServersView() {
  const { page } = lastServers.value;
  return (
    <>
      <Ahead />
      <Filters />
      {page === undefined ? (
        <ServerTable list={rows.value} first={0} isWindowed />
      ) : (
        <PlainPages page={page} />
      )}
    </>
  );
}

/** The first sentence of the page: how many servers will cross the threshold, and which is the first. */
function Ahead() {
  const current = fleet.value;
  if (!current) return null;
  const { about, rows: all } = current;
  const { model, threshold, stepMinutes, horizon } = about;
  const span = duration(stepMinutes * horizon * 60);
  const facts = (
    <p class="facts">
      {model.name} forecasts <b>{model.target}</b> every {duration(stepMinutes * 60)}, {span} ahead
    </p>
  );
  if (threshold === null) {
    return (
      <section class="outlook">
        <div>
          <h1>{many(all.length)}</h1>
          {facts}
        </div>
      </section>
    );
  }
  const over = limit(threshold, model.unit);
  const likely = all.filter(({ crossing }) => crossing?.likely);
  const possible = all.filter(({ crossing }) => crossing && !crossing.likely);
  const overNow = likely.filter(isOver).length;
  const first = earliest(likely.filter((row) => !isOver(row)));
  const start = Date.parse(about.time);
  const label =
    likely.length + possible.length === 0
      ? `Servers that cross ${over}: none expected`
      : `Servers that cross ${over}: likely ${count(likely.length)}, possibly ${count(possible.length)} more`;
  const bins: AheadBin[] = crossingsAhead(all, start, start + stepMinutes * horizon * 60_000, 32);
  return (
    <section class="outlook">
      <div>
        <h1>
          {likely.length === 0 ? 'No server' : many(likely.length)} {likely.length > 1 ? 'are' : 'is'} likely
          to be over {over} within {span}
        </h1>
        <p>
          {overNow === 0 ? '' : `${many(overNow)} ${overNow === 1 ? 'is' : 'are'} over it now. `}
          {first ? (
            <>
              {overNow === 0 ? 'First' : 'Next'}{' '}
              <a href={toHash({ view: 'server', server: first.server, past: undefined, values: false })}>
                {first.server}
              </a>
              , {first.crossing ? crossingText(first.crossing, about.time, zone.value).sentence : ''}.{' '}
            </>
          ) : null}
          {possible.length === 0 ? '' : `${count(possible.length)} more might.`}
        </p>
        {facts}
      </div>
      <AheadChart bins={bins} zone={zone.value} now={start} label={label} />
    </section>
  );
}

function many(servers: number): string {
  return `${count(servers)} ${servers === 1 ? 'server' : 'servers'}`;
}

function earliest(list: readonly OverviewRow[]): OverviewRow | undefined {
  const at = ({ crossing }: OverviewRow) => crossing?.likely ?? '';
  return list.reduce<OverviewRow | undefined>(
    (best, row) => (best === undefined || at(row) < at(best) ? row : best),
    undefined,
  );
}

/** Fifty rows a page, all of them in the document: for users whom appearing and disappearing rows disturb. */
function PlainPages({ page }: { page: number }) {
  const all = rows.value;
  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  const shown = Math.min(page, pages);
  const first = (shown - 1) * PAGE;
  const go = (to: number) => () => {
    replaceRoute({ ...lastServers.value, page: to });
    scrollTo(0, 0);
  };
  return (
    <>
      <ServerTable list={all.slice(first, first + PAGE)} first={first} total={all.length} />
      <nav class="pages" aria-label="Pages">
        <button type="button" disabled={shown === 1} onClick={go(shown - 1)}>
          Previous
        </button>
        <span role="status">
          {count(all.length === 0 ? 0 : first + 1)}–{count(Math.min(all.length, first + PAGE))} of{' '}
          {count(all.length)}, page {shown} of {pages}
        </span>
        <button type="button" disabled={shown === pages} onClick={go(shown + 1)}>
          Next
        </button>
      </nav>
    </>
  );
}
