// Alerts as a list: which fire, since when, and when the threshold is expected to be crossed.
import type { Alert } from '../../src/fleet/api.js';
import { fleet, zone } from '../live/store.js';
import { toHash } from '../state/hash.js';
import { clock, crossingText } from '../state/times.js';

interface AlertListProps {
  readonly list: readonly Alert[];
  readonly none: string;
  readonly isOfOneServer?: boolean;
}

export function AlertList({ list, none, isOfOneServer = false }: AlertListProps) {
  if (list.length === 0) return <p class="hint">{none}</p>;
  return (
    <ul class="alerts">
      {list.map((alert) => (
        <Item key={alert.id} alert={alert} isOfOneServer={isOfOneServer} />
      ))}
    </ul>
  );
}

function Item({ alert, isOfOneServer }: { alert: Alert; isOfOneServer: boolean }) {
  const { server, severity, state, since, text, rule, crossing } = alert;
  const now = fleet.value?.about.time ?? Date.now();
  const href = toHash({ view: 'server', server, past: undefined, values: false });
  return (
    <li class={`${state} ${severity}`}>
      <p>
        <span class="severity">{severity}</span>
        {isOfOneServer ? null : (
          <>
            {' '}
            <a href={href}>{server}</a>
          </>
        )}{' '}
        {text}
      </p>
      <p class="facts">
        {state} since <time dateTime={since}>{clock(since, now, zone.value)}</time>
        {crossing ? ` · crosses ${crossingText(crossing, now, zone.value).sentence}` : ''} · rule {rule}
      </p>
    </li>
  );
}
