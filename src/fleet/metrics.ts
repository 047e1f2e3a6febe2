// The metrics at /metrics: of the daemon itself, and its forecasts at the named horizons, for Prometheus to scrape.
import { Counter, Gauge, type Registry } from 'prom-client';
import { SERVER_STATES } from './api.js';
import type { Fleet } from './fleet.js';
import { checkFormat, type ForecastSeriesSet } from './forecast-series.js';
import { crossingOf, outlookOf } from './views/outlooks.js';

/**
 * Registers the metrics. They read the daemon when they are scraped, once there is one.
 *
 * @throws TFTError ERR_TFT_OPTION for a format that yields no metric name, or gives one series several values.
 */
export function registerFleetMetrics(
  registry: Registry,
  fleetOf: () => Fleet | undefined,
  { metricFormat, metricSeries }: { metricFormat: Readonly<Record<string, string>>; metricSeries: number },
): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: (fleet: Fleet) => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const fleet = fleetOf();
        const found = fleet === undefined ? undefined : value(fleet);
        if (found !== undefined) this.set(found);
      },
    });
  const counter = (
    name: string,
    help: string,
    label: string,
    values: (fleet: Fleet) => Record<string, number>,
  ) => {
    const reported = new Map<string, number>();
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        const fleet = fleetOf();
        for (const [key, value] of Object.entries(fleet === undefined ? {} : values(fleet))) {
          this.inc({ [label]: key }, value - (reported.get(key) ?? 0));
          reported.set(key, value);
        }
      },
    });
  };
  counter('tft_fleet_samples_total', 'Samples by outcome.', 'outcome', ({ intake }) => {
    const { merged: _merged, late: _late, ...outcomes } = intake.counters;
    return outcomes;
  });
  counter(
    'tft_fleet_forecasts_total',
    'Forecasts of servers, made and failed runs.',
    'outcome',
    ({ loop }) => ({
      made: loop.counts.forecasts,
      failed: loop.counts.failures,
    }),
  );
  counter('tft_fleet_source_errors_total', 'Failures of sources.', 'source', ({ sources }) =>
    Object.fromEntries(sources.map(({ status }) => [status.name, status.errors])),
  );
  gauge('tft_fleet_due_servers', 'Servers that wait to be forecast.', ({ loop }) => loop.counts.due);
  gauge('tft_fleet_run_duration_seconds', 'How long the newest forecasts of all servers took.', ({ loop }) =>
    loop.lastRun === undefined ? undefined : loop.lastRun.milliseconds / 1000,
  );
  gauge(
    'tft_fleet_memory_bytes',
    'Bytes of history and forecasts in memory.',
    ({ ring, latest }) => ring.bytes + latest.bytes,
  );
  gauge('tft_fleet_store_bytes', 'Bytes of history on disk.', ({ keeper }) => keeper.status?.bytes);
  gauge('tft_fleet_store_healthy', '1 when history can be written, else 0.', ({ keeper }) =>
    keeper.status === null ? undefined : Number(keeper.status.healthy),
  );
  gauge('tft_fleet_watchers', 'Clients that watch the events.', ({ hub }) => hub.count);
  new Gauge({
    name: 'tft_fleet_servers',
    help: 'Servers by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const fleet = fleetOf();
      if (fleet === undefined) return;
      const counts = new Map<string, number>(SERVER_STATES.map((state) => [state, 0]));
      for (const [place] of fleet.roster) {
        const state = fleet.standings.state(place);
        counts.set(state, (counts.get(state) ?? 0) + 1);
      }
      for (const [state, count] of counts) this.set({ state }, count);
    },
  });
  registerRisks(registry, fleetOf, metricSeries);
  checkFormat(metricFormat);
}

function registerRisks(registry: Registry, fleetOf: () => Fleet | undefined, most: number): void {
  const registers = [registry];
  const crossings = new Gauge({
    name: 'tft_fleet_threshold_crossing_timestamp_seconds',
    help: 'When a quantile of the forecast first crosses the threshold; absent where it does not.',
    labelNames: ['server', 'quantile'],
    registers,
  });
  new Gauge({
    name: 'tft_fleet_risk',
    help: 'The largest probability over the steps ahead that the target is over the threshold.',
    labelNames: ['server'],
    registers,
    collect() {
      this.reset();
      crossings.reset();
      const fleet = fleetOf();
      if (fleet === undefined || fleet.threshold === undefined) return;
      const { columns } = fleet;
      const { quantiles } = fleet.model;
      let left = most;
      for (const [place, { name: server }] of fleet.roster) {
        const found = fleet.standings.state(place) === 'stale' ? undefined : outlookOf(fleet, place);
        if (found === undefined || left-- <= 0) continue;
        this.set({ server }, found.outlook.risk);
        const crossing = crossingOf(fleet, found);
        for (const [time, column] of [
          [crossing?.earliest, columns.high],
          [crossing?.likely, columns.median],
          [crossing?.latest, columns.low],
        ] as const) {
          if (time) crossings.set({ server, quantile: String(quantiles[column]) }, Date.parse(time) / 1000);
        }
      }
    },
  });
}

/**
 * Registers the metrics of forecasts, whose name is known once the model is. A further metric counts the series that are left
 * out.
 */
export function registerForecasts(registry: Registry, fleet: Fleet, forecasts: ForecastSeriesSet): void {
  const registers = [registry];
  new Gauge({
    name: forecasts.name,
    help: `Forecasts of ${fleet.model.target}.`,
    labelNames: [...forecasts.labelNames],
    registers,
    collect() {
      this.reset();
      let [reported, leftOut] = [0, 0];
      for (const { server, forecast, isLeftOut } of forecasts.servers()) {
        if (isLeftOut) {
          leftOut += forecasts.perServer;
          continue;
        }
        reported += forecasts.perServer;
        for (const { labels, at } of forecasts.seriesOf(server))
          this.set(labels, forecast.values[at] as number);
      }
      count.set(reported);
      left.set(leftOut);
    },
  });
  // Registered after the forecasts, so that they report this scrape.
  const count = new Gauge({
    name: 'tft_fleet_forecast_series',
    help: 'Series of forecasts exposed.',
    registers,
  });
  const left = new Gauge({
    name: 'tft_fleet_forecast_series_left_out',
    help: 'Series of forecasts left out, as there are more than metricSeries.',
    registers,
  });
  if (fleet.threshold === undefined) return;
  const help = 'What risk and crossing times refer to.';
  new Gauge({ name: 'tft_fleet_threshold', help, registers }).set(fleet.threshold);
}
