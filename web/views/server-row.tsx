// A server's row in the table.
import type { OverviewRow } from '../../src/fleet/api.js';
import { Spark } from '../charts/spark.js';
import { fleet, zone } from '../live/store.js';
import { toHash } from '../state/hash.js';
import { measure } from '../state/numbers.js';
import { isOver } from '../state/rows.js';
import { clock, crossingText, duration } from '../state/times.js';
import { STATE_NAMES } from './filters.js';
import { Risk } from './risk.js';

export function ServerRow({ row, index }: { row: OverviewRow; index: number }) {
  const about = fleet.value?.about;
  if (!about) return null;
  const { server, profile, status, state, now, peak } = row;
  const crossing = row.crossing && crossingText(row.crossing, about.time, zone.value);
  const isOverNow = isOver(row);
  const href = toHash({ view: 'server', server, past: undefined, values: false });
  return (
    <tr aria-rowindex={index} class={row.level}>
      <th scope="row" class="server">
        <a href={href} data-server={server}>
          {server}
        </a>
        <span class="under">
          {isOverNow ? 'over now' : crossing ? `crosses ${crossing.interval}` : profile}
        </span>
      </th>
      <td class="profile">
        {profile}
        {status === '' || status === 'unknown' ? null : (
          <span class="status"> {status.replaceAll('_', ' ')}</span>
        )}
      </td>
      <td class="risk">
        <Risk risk={row.risk} level={row.level} />
      </td>
      <td class="number">{measure(now)}</td>
      <td class="trend">
        <Spark row={row} />
      </td>
      <td class="peak">
        {peak ? (
          <>
            <b>{measure(peak.value)}</b> <span class="at">at {clock(peak.at, about.time, zone.value)}</span>{' '}
            <span class="between">
              {measure(peak.low)}–{measure(peak.high)}
            </span>
          </>
        ) : (
          '–'
        )}
      </td>
      <td class="crossing">
        {isOverNow ? (
          'over now'
        ) : crossing ? (
          <>
            {crossing.interval} <span class="likely">{crossing.note}</span>
          </>
        ) : (
          <span class="none">
            <span class="unseen">not expected</span>
            <span aria-hidden="true">–</span>
          </span>
        )}
      </td>
      <td class="state">
        <State row={row} name={STATE_NAMES[state]} />
      </td>
    </tr>
  );
}

function State({ row, name }: { row: OverviewRow; name: string }) {
  const { state, ageSeconds, source, filledSteps } = row;
  const age = ageSeconds === null ? '' : duration(ageSeconds);
  const notes = [
    state === 'ready' ? '' : name,
    source === 'naive' ? 'naive' : '',
    filledSteps > 0 ? `${filledSteps} filled` : '',
  ].filter((note) => note !== '');
  return (
    <>
      <span class={state === 'ready' ? 'age' : 'age old'}>{age}</span>
      {notes.length === 0 ? null : <span class="note"> {notes.join(', ')}</span>}
    </>
  );
}
