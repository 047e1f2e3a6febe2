// The daemon's accuracy: every forecast scored against the measurements.
import type { Accuracy } from '../../src/fleet/api.js';
import { useLoaded } from '../live/loaded.js';
import { fleet, zone } from '../live/store.js';
import { percent, skill } from '../state/numbers.js';
import { clock, duration } from '../state/times.js';
import { AccuracyTable, Skill } from './accuracy-table.js';
import { Failed, Loading } from './situations.js';
import { Wide } from './wide.js';

export function AccuracyView() {
  const { data, error } = useLoaded<Accuracy>('fleet/accuracy', fleet.value?.about.time);
  return (
    <article class="one">
      {data ? (
        <Shown accuracy={data} />
      ) : error ? (
        <Failed error={error} what="the accuracy" />
      ) : (
        <Loading what="the accuracy" />
      )}
    </article>
  );
}

function Shown({ accuracy }: { accuracy: Accuracy }) {
  const { since, horizons, profiles, stale } = accuracy;
  const about = fleet.value?.about;
  const scored = horizons.filter(({ count }) => count > 0);
  if (!about || since === null || scored.length === 0) {
    return (
      <>
        <h1>No forecast has been scored yet</h1>
        <p class="hint">
          Each forecast is scored when the time that it was for has passed; the first at the next step, the
          farthest{' '}
          {about ? `after ${duration(about.stepMinutes * about.horizon * 60)}` : 'at the end of the horizon'}.
        </p>
      </>
    );
  }
  const longest = scored.at(-1) as (typeof scored)[number];
  const better = skill(longest.pinball, longest.naivePinball);
  return (
    <>
      <h1>
        {better === undefined
          ? `Forecasts scored since ${clock(since, about.time, zone.value)}`
          : `${duration(longest.horizonMinutes * 60)} ahead, forecasts are ${Math.abs(Math.round(better))} % ${
              better >= 0 ? 'better' : 'worse'
            } than the best naive one`}
      </h1>
      {stale ? (
        <p class="warned" role="alert">
          The model has gone stale: it forecasts worse than the best naive forecast. Train it again on recent
          data.
        </p>
      ) : null}
      <p class="facts">
        Since {clock(since, about.time, zone.value)}. Of the values measured, {percent(longest.coverage80)}{' '}
        lay between the quantiles 10 % and 90 % of the forecast {duration(longest.horizonMinutes * 60)}{' '}
        before; 80 % is right. Pinball loss is in{' '}
        {about.model.unit === '' ? 'the unit of the target' : about.model.unit}: less is better.
      </p>
      <Wide label="By horizon">
        <AccuracyTable caption="Accuracy of all servers" horizons={horizons} />
      </Wide>
      {profiles.length === 0 ? null : (
        <>
          <h2>By profile, against the best naive forecast</h2>
          <Wide label="By profile">
            <table class="accuracy">
              <thead>
                <tr>
                  <th scope="col">Profile</th>
                  {horizons.map(({ horizonMinutes }) => (
                    <th key={horizonMinutes} scope="col">
                      {duration(horizonMinutes * 60)} ahead
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {profiles.map(({ profile, horizons: own }) => (
                  <tr key={profile}>
                    <th scope="row">{profile}</th>
                    {horizons.map(({ horizonMinutes }) => {
                      const horizon = own.find((each) => each.horizonMinutes === horizonMinutes);
                      return <td key={horizonMinutes}>{horizon ? <Skill horizon={horizon} /> : '–'}</td>;
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        </>
      )}
    </>
  );
}
