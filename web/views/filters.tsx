// The filters of the table: words, level, profile, state; and whether it is shown in plain pages.
import type { RiskLevel, ServerState } from '../../src/fleet/api.js';
import { counts, lastServers, replaceRoute, rows } from '../live/store.js';
import { count } from '../state/numbers.js';
import { type Filter, NO_FILTER } from '../state/rows.js';

const LEVELS: readonly RiskLevel[] = ['critical', 'warning', 'ok'];
export const STATE_NAMES: Record<ServerState, string> = {
  ready: 'ready',
  'warming-up': 'warming up',
  stale: 'stale',
  refused: 'refused',
};

export function Filters() {
  const { filter, page } = lastServers.value;
  const { all, levels, states, profiles } = counts.value;
  const change = (next: Partial<Filter>) =>
    replaceRoute({
      ...lastServers.value,
      filter: { ...filter, ...next },
      page: page === undefined ? undefined : 1,
    });
  const isFiltered = rows.value.length !== all;
  return (
    <search class="filters" aria-label="Servers">
      <input
        id="search"
        type="search"
        aria-label="Name, profile or status"
        placeholder="Filter by name"
        autocomplete="off"
        spellcheck={false}
        aria-keyshortcuts="/"
        value={filter.text}
        onInput={({ currentTarget }) => change({ text: currentTarget.value })}
      />
      <fieldset class="levels">
        <legend class="unseen">Risk</legend>
        {[undefined, ...LEVELS].map((level) => (
          <label key={level ?? 'all'}>
            <input
              type="radio"
              name="level"
              checked={filter.level === level}
              onChange={() => change({ level })}
            />
            <span class={level}>
              {level ?? 'all'} <b>{count(level === undefined ? all : levels[level])}</b>
            </span>
          </label>
        ))}
      </fieldset>
      <select
        aria-label="Profile"
        value={filter.profile ?? ''}
        onChange={({ currentTarget: { value } }) => change({ profile: value === '' ? undefined : value })}
      >
        <option value="">all profiles</option>
        {profiles.map(([profile, servers]) => (
          <option key={profile} value={profile}>
            {`${profile} (${count(servers)})`}
          </option>
        ))}
      </select>
      <select
        aria-label="State"
        value={filter.state ?? ''}
        onChange={({ currentTarget: { value } }) =>
          change({ state: value === '' ? undefined : (value as ServerState) })
        }
      >
        <option value="">all states</option>
        {(Object.keys(STATE_NAMES) as ServerState[]).map((state) => (
          <option key={state} value={state}>
            {`${STATE_NAMES[state]} (${count(states[state])})`}
          </option>
        ))}
      </select>
      <span class="shown" role="status">
        {isFiltered ? `${count(rows.value.length)} of ${count(all)} shown` : ''}
      </span>
      {isFiltered ? (
        <button type="button" onClick={() => change(NO_FILTER)}>
          Show all
        </button>
      ) : null}
      <label class="plain">
        <input
          type="checkbox"
          checked={page !== undefined}
          onChange={({ currentTarget }) =>
            replaceRoute({ ...lastServers.value, page: currentTarget.checked ? 1 : undefined })
          }
        />
        plain pages
      </label>
    </search>
  );
}
