// The state of the daemon: its engine, the queue of forecasts, its sources and its store.
import type { ComponentChildren } from 'preact';
import type { FleetStatus } from '../../src/fleet/api.js';
import { useLoaded } from '../live/loaded.js';
import { fleet, present, zone } from '../live/store.js';
import { bytes, count } from '../state/numbers.js';
import { clock, duration } from '../state/times.js';
import { Failed, Loading } from './situations.js';
import { Wide } from './wide.js';

/** The status changes between steps, too. */
const EVERY_SECONDS = 5;

export function EngineView() {
  const { data, error } = useLoaded<FleetStatus>(
    'fleet/status',
    Math.floor(present.value / 1000 / EVERY_SECONDS),
  );
  return (
    <article class="one">
      {data ? (
        <Shown status={data} />
      ) : error ? (
        <Failed error={error} what="the state" />
      ) : (
        <Loading what="the state" />
      )}
    </article>
  );
}

type Fact = readonly [name: string, value: string | null | undefined];

function Shown({ status }: { status: FleetStatus }) {
  const { engine, queue, store, ingestion, sources } = status;
  const about = fleet.value?.about;
  const now = about?.time ?? Date.now();
  const time = (at: string) => clock(at, now, zone.value);
  const run = about?.lastRun;
  const trouble = [
    ...(engine && !engine.ready ? ['The engine is not ready.'] : []),
    ...(store?.problem ? [`History is not kept: ${store.problem}.`] : []),
    ...(queue.lastError ? [`A forecast failed: ${queue.lastError}.`] : []),
  ];
  return (
    <>
      <h1>{trouble.length === 0 ? 'All is well' : 'Not all is well'}</h1>
      {trouble.map((text) => (
        <p key={text} class="warned">
          {text}
        </p>
      ))}
      <div class="columns small">
        <Facts
          title="Engine"
          facts={[
            ['Model', about?.model.name],
            ['Backend', engine?.backend ?? 'none'],
            ['Device', engine?.device],
            ['Largest batch', engine ? count(engine.maxBatch) : undefined],
            ['Daemon', status.version],
            ['Running since', time(status.startedAt)],
            ['Shard', status.shard],
          ]}
        />
        <Facts
          title="Forecasts"
          facts={[
            ['Due', count(queue.due)],
            [
              'The oldest waits',
              queue.due === 0 || queue.oldestSeconds === null ? 'none waits' : duration(queue.oldestSeconds),
            ],
            ['Made', count(queue.forecasts)],
            ['Failed', count(queue.failures)],
            [
              'Last run',
              run
                ? `${count(run.servers)} servers in ${count(Math.round(run.milliseconds))} ms, ${time(run.at)}`
                : 'none yet',
            ],
          ]}
        />
        <Facts
          title="History"
          facts={[
            ['In memory', bytes(status.memoryBytes)],
            ['On disk', store ? bytes(store.bytes) : 'nothing is kept'],
            ['Steps on disk', store ? count(store.steps) : undefined],
            ['Folder', store?.path],
          ]}
        />
        <Facts
          title="Samples"
          facts={[
            ['Accepted', count(ingestion.accepted)],
            ['averaged into a step', count(ingestion.merged)],
            ['late', count(ingestion.late)],
            ['Repeated', count(ingestion.repeated)],
            ['Too old', count(ingestion.tooOld)],
            ['From the future', count(ingestion.future)],
            ['Invalid', count(ingestion.invalid)],
            ['Of too many servers', count(ingestion.flooded)],
          ]}
        />
      </div>
      <h2>Sources</h2>
      {sources.length === 0 ? (
        <p class="hint">None that the daemon asks; it waits for what is sent to it.</p>
      ) : (
        <Sources status={status} />
      )}
      {status.receivers.length > 0 && (
        <>
          <h2>Receivers</h2>
          <Receivers status={status} />
        </>
      )}
    </>
  );
}

function Sources({ status: { sources } }: { status: FleetStatus }) {
  return (
    <Connections
      label="Sources of samples"
      columns={['Source', 'Kind', 'Last success']}
      numbers={['Behind', 'Records', 'Errors']}
    >
      {sources.map((source) => (
        <tr key={source.name}>
          <th scope="row">{source.name}</th>
          <td>{source.kind}</td>
          <td>{timeOf(source.lastSuccess)}</td>
          <td class="number">{source.lagSeconds === null ? '–' : duration(source.lagSeconds)}</td>
          <td class="number">{count(source.records)}</td>
          <td class="number">{count(source.errors)}</td>
          <td>{source.lastError ?? ''}</td>
        </tr>
      ))}
    </Connections>
  );
}

function Receivers({ status: { receivers } }: { status: FleetStatus }) {
  return (
    <Connections
      label="Receivers of forecasts"
      caption="Receivers of forecasts; the numbers are of values"
      columns={['Receiver', 'Last success']}
      numbers={['Written', 'Waiting', 'Refused', 'Lost']}
    >
      {receivers.map(({ name, lastSuccess, written, waiting, refused, lost, lastError }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td>{timeOf(lastSuccess)}</td>
          <td class="number">{count(written)}</td>
          <td class="number">{count(waiting)}</td>
          <td class="number">{count(refused)}</td>
          <td class="number">{count(lost)}</td>
          <td>{lastError ?? ''}</td>
        </tr>
      ))}
    </Connections>
  );
}

interface ConnectionsProps {
  readonly label: string;
  readonly caption?: string;
  /** The heads of the first columns, and of the numbers after them. The last error is the last column. */
  readonly columns: readonly string[];
  readonly numbers: readonly string[];
  readonly children: ComponentChildren;
}

/** A table of the daemon's connections, a row each. */
function Connections({ label, caption = label, columns, numbers, children }: ConnectionsProps) {
  return (
    <Wide label={label}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
            {numbers.map((column) => (
              <th key={column} scope="col" class="number">
                {column}
              </th>
            ))}
            <th scope="col">Last error</th>
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </Wide>
  );
}

function timeOf(success: string | null): string {
  return success === null ? 'never' : clock(success, fleet.value?.about.time ?? Date.now(), zone.value);
}

function Facts({ title, facts }: { title: string; facts: readonly Fact[] }) {
  return (
    <section>
      <h2>{title}</h2>
      <dl class="list">
        {facts
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}
