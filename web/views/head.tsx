// The header: the links, whether the data is up to date, and the choice of time zone and colours.
import { pause, retry } from '../live/feed.js';
import {
  alerts,
  connection,
  fleet,
  heardAt,
  lastServers,
  present,
  route,
  type Theme,
  theme,
  zone,
} from '../live/store.js';
import { toHash } from '../state/hash.js';
import { count } from '../state/numbers.js';
import { ago, duration, exactClock, zoneName } from '../state/times.js';

export function Head() {
  const firing = (alerts.value?.active ?? []).filter(({ state }) => state === 'firing').length;
  const here = route.value.view === 'server' ? 'servers' : route.value.view;
  const places = [
    { view: 'servers', name: 'Servers', href: toHash(lastServers.value), more: fleet.value?.rows.length },
    { view: 'alerts', name: 'Alerts', href: '#/alerts', more: firing === 0 ? undefined : firing },
    { view: 'accuracy', name: 'Accuracy', href: '#/accuracy', more: undefined },
    { view: 'engine', name: 'Engine', href: '#/engine', more: undefined },
  ];
  return (
    <header class="head">
      <nav aria-label="Views">
        {places.map(({ view, name, href, more }) => (
          <a key={view} href={href} aria-current={view === here ? 'page' : undefined}>
            {name}
            {more === undefined ? null : <span class="count"> {count(more)}</span>}
          </a>
        ))}
      </nav>
      {fleet.value?.about.simulated ? (
        <strong class="simulated" title="These servers do not exist; their measurements are simulated.">
          simulated data
        </strong>
      ) : null}
      <Freshness />
      <Choices />
    </header>
  );
}

/** The age of the data, with buttons to pause and reconnect. */
function Freshness() {
  const state = connection.value;
  const heard = heardAt.value;
  // If there is no data yet, the view itself says why.
  if (state.phase === 'key-needed' || heard === undefined) return <div class="fresh" />;
  const age = Math.max(0, (present.value - heard) / 1000);
  const at = exactClock(heard, zone.value);
  if (state.phase === 'lost') {
    const wait = Math.max(0, Math.ceil((state.retryAt - present.value) / 1000));
    return (
      <div class="fresh lost">
        <span role="alert">Connection lost; this was so at {at}</span>
        <span>next try in {duration(wait)}</span>
        <button type="button" onClick={retry}>
          Try now
        </button>
      </div>
    );
  }
  const isPaused = state.phase === 'paused';
  return (
    <div class={isPaused ? 'fresh paused' : 'fresh'}>
      <span>
        {isPaused ? 'Paused, as of ' : 'Last update '}
        <time dateTime={new Date(heard).toISOString()} title={at}>
          {isPaused ? at : ago(age)}
        </time>
      </span>
      <button type="button" onClick={() => pause(!isPaused)}>
        {isPaused ? 'Go on' : 'Pause'}
      </button>
    </div>
  );
}

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const THEMES: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };
const SIGNS: Record<Theme, string> = { auto: '◐', light: '○', dark: '●' };

/** The choice of time zone and colours. */
export function Choices() {
  const isUtc = zone.value === 'utc';
  return (
    <div class="choices">
      <button
        type="button"
        title="Show times in your zone or in UTC"
        onClick={() => {
          zone.value = isUtc ? 'local' : 'utc';
        }}
      >
        <span class="unseen">Times in </span>
        {isUtc ? 'UTC' : zoneName(Date.now(), 'local')}
      </button>
      <button
        type="button"
        title={`Colours: ${THEMES[theme.value]}`}
        onClick={() => {
          theme.value = NEXT[theme.value];
        }}
      >
        <span class="unseen">Colours: </span>
        <span aria-hidden="true">{SIGNS[theme.value]}</span> {theme.value}
      </button>
    </div>
  );
}
