// The view of one server: its figures, the chart, its alerts and its explanation.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { OverviewRow, ServerDetail } from '../../src/fleet/api.js';
import { AttentionStrip } from '../charts/attention-strip.js';
import { FanChart } from '../charts/fan-chart.js';
import { useLoaded } from '../live/loaded.js';
import { fleet, lastServers, replaceRoute, zone } from '../live/store.js';
import { stripOf } from '../state/explanation.js';
import { fanOf } from '../state/fan.js';
import { type ServerView, toHash } from '../state/hash.js';
import { limit, measure, withUnit } from '../state/numbers.js';
import { lookedAt, summary } from '../state/readout.js';
import { isOver } from '../state/rows.js';
import { clock, crossingText, duration } from '../state/times.js';
import { AccuracyTable } from './accuracy-table.js';
import { AlertList } from './alert-list.js';
import { Explanation } from './explanation.js';
import { STATE_NAMES } from './filters.js';
import { Risk } from './risk.js';
import { Failed, Loading } from './situations.js';
import { ValuesTable } from './values-table.js';
import { Wide } from './wide.js';

export function ServerPage({ shown }: { shown: ServerView }) {
  const about = fleet.value?.about;
  const row = fleet.value?.rows.find(({ server }) => server === shown.server);
  // Loaded again when the daemon has sent a new step of this server.
  const { data, error } = useLoaded<ServerDetail>(`fleet/servers/${encodeURIComponent(shown.server)}`, row);
  return (
    <article class="one">
      <p class="back">
        <a href={toHash(lastServers.value)}>← All servers</a>
      </p>
      <header>
        <h1>{shown.server}</h1>
        {row ? (
          <p class="facts">
            {row.profile} · {row.status.replaceAll('_', ' ')}
            {row.state === 'ready' ? null : <b> · {STATE_NAMES[row.state]}</b>}
            {row.source === 'naive' ? ' · naive forecast, as it was better here than the model' : ''}
          </p>
        ) : null}
      </header>
      {row && about ? <Figures row={row} /> : null}
      {data ? (
        <Details detail={data} shown={shown} />
      ) : error ? (
        <Failed error={error} what={shown.server} />
      ) : (
        <Loading what={shown.server} />
      )}
    </article>
  );
}

function Figures({ row }: { row: OverviewRow }) {
  const about = fleet.value?.about;
  if (!about) return null;
  const { unit } = about.model;
  const { peak, crossing } = row;
  const text = (at: string) => clock(at, about.time, zone.value);
  const crosses = crossing ? crossingText(crossing, about.time, zone.value) : undefined;
  return (
    <dl class="figures">
      <Figure name="Risk">
        <Risk risk={row.risk} level={row.level} />
      </Figure>
      <Figure name="Now" under={row.ageSeconds === null ? '' : `${duration(row.ageSeconds)} old`}>
        {withUnit(row.now, unit)}
      </Figure>
      <Figure
        name="Peak ahead"
        under={peak ? `at ${text(peak.at)}, between ${measure(peak.low)} and ${measure(peak.high)}` : ''}
      >
        {peak ? withUnit(peak.value, unit) : '–'}
      </Figure>
      {about.threshold === null ? null : (
        <Figure
          name={`Crosses ${limit(about.threshold, unit)}`}
          under={isOver(row) ? '' : (crosses?.note ?? '')}
        >
          {isOver(row) ? 'over now' : crosses ? crosses.interval : 'not expected'}
        </Figure>
      )}
    </dl>
  );
}

function Figure({ name, under, children }: { name: string; under?: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {children}
        {under ? <small>{under}</small> : null}
      </dd>
    </div>
  );
}

function Details({ detail, shown }: { detail: ServerDetail; shown: ServerView }) {
  const { alerts, accuracy, explanation, forecast } = detail;
  return (
    <>
      <Chart detail={detail} shown={shown} />
      {forecast ? null : (
        <p class="hint">
          There is no forecast: the server is {STATE_NAMES[detail.state]}
          {detail.state === 'stale' ? ', no samples have come for too long' : ''}.
        </p>
      )}
      <details
        class="values"
        open={shown.values}
        onToggle={({ currentTarget: { open } }) => {
          if (open !== shown.values) replaceRoute({ ...shown, values: open });
        }}
      >
        <summary>Values as a table</summary>
        {shown.values ? <ValuesTable detail={detail} /> : null}
      </details>
      {alerts.length === 0 ? null : (
        <section>
          <h2>Alerts</h2>
          <AlertList list={alerts} isOfOneServer none="" />
        </section>
      )}
      {explanation ? <Explanation explanation={explanation} /> : null}
      <div class="columns">
        <section>
          <h2>Accuracy of past forecasts</h2>
          {accuracy === null || accuracy.length === 0 ? (
            <p class="hint">None of this server's forecasts has been scored yet.</p>
          ) : (
            <Wide label="Accuracy">
              <AccuracyTable caption={`Accuracy of forecasts of ${detail.server}`} horizons={accuracy} />
            </Wide>
          )}
        </section>
      </div>
    </>
  );
}

function Chart({ detail, shown }: { detail: ServerDetail; shown: ServerView }) {
  const [at, look] = useState<number | undefined>(undefined);
  const fan = useMemo(() => fanOf(detail, shown.past), [detail, shown.past]);
  const strip = useMemo(() => stripOf(detail, fan), [detail, fan]);
  const about = fleet.value?.about;
  if (!about || fan.times.length === 0) return null;
  const { model, threshold } = about;
  const words = { unit: model.unit, zone: zone.value, past: shown.past };
  const readout = at === undefined ? undefined : lookedAt(fan, at, words);
  return (
    <figure class="chart">
      <figcaption>
        <span class="unseen">{summary(fan, words)}</span>
        <span aria-hidden="true">
          <b>{model.target}</b> {model.unit === '' ? '' : `in ${model.unit}`}
        </span>
        <PastChoice detail={detail} shown={shown} />
      </figcaption>
      <p class="readout" aria-hidden="true">
        {readout ?? <Key hasPast={fan.past !== undefined} quantiles={fan.names} />}
      </p>
      <FanChart fan={fan} zone={zone.value} range={model} threshold={threshold} at={at} onLook={look} />
      <input
        type="range"
        aria-label="Time in the chart"
        aria-valuetext={readout ?? 'no time chosen'}
        min={0}
        max={fan.times.length - 1}
        value={at ?? fan.measured.findLastIndex((value) => value !== null)}
        onInput={({ currentTarget }) => look(currentTarget.valueAsNumber)}
      />
      {strip ? <AttentionStrip strip={strip} zone={zone.value} now={Date.parse(about.time)} /> : null}
    </figure>
  );
}

/** The legend of the chart. */
function Key({ hasPast, quantiles }: { hasPast: boolean; quantiles: readonly number[] }) {
  const shares = Array.from({ length: Math.floor(quantiles.length / 2) }, (_, low) =>
    Math.round(((quantiles[quantiles.length - 1 - low] as number) - (quantiles[low] as number)) * 100),
  ).reverse();
  return (
    <>
      <span class="key measured">measured</span>
      {quantiles.length === 0 ? null : <span class="key median">median</span>}
      {shares.length === 0 ? null : <span class="key band">{shares.join(', ')} % of outcomes</span>}
      {hasPast ? <span class="key earlier">forecast made before</span> : null}
    </>
  );
}

/** The choice of the earlier forecasts shown over the measurements. */
function PastChoice({ detail, shown }: { detail: ServerDetail; shown: ServerView }) {
  const horizons = detail.past
    .filter(({ points }) => points.length > 0)
    .map(({ horizonMinutes }) => horizonMinutes);
  if (horizons.length === 0) return null;
  return (
    <fieldset class="levels">
      <legend>Forecasts made before</legend>
      {[undefined, ...horizons].map((horizon) => (
        <label key={horizon ?? 0}>
          <input
            type="radio"
            name="past"
            checked={shown.past === horizon}
            onChange={() => replaceRoute({ ...shown, past: horizon })}
          />
          <span>{horizon === undefined ? 'none' : duration(horizon * 60)}</span>
        </label>
      ))}
    </fieldset>
  );
}
