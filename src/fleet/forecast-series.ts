// The forecasts at the named horizons as series of Prometheus: their name and labels, by the template `metricFormat`. They are
// the same at /metrics and in what is written to receivers.
import { TFTError } from '../contract/errors.js';
import { type Fleet, horizonSteps } from './fleet.js';
import type { KeptForecast } from './memory/forecasts.js';

const MINUTE = 60_000;
const VARIABLE = /\$(SERVER|METRIC|QUANTILE|HORIZON|PROFILE)/g;
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** A server as it is named in labels. */
export interface LabelledServer {
  readonly name: string;
  readonly profile: string;
}

/** A server with a forecast that is not stale. */
export interface ForecastServer {
  readonly place: number;
  readonly server: LabelledServer;
  readonly forecast: KeptForecast;
  /** Whether there are already as many series as `metricSeries` allows. */
  readonly isLeftOut: boolean;
}

export interface ForecastSeries {
  /** Without the metric's name; values may be empty. */
  readonly labels: Readonly<Record<string, string>>;
  /** The value's position in a forecast. */
  readonly at: number;
}

/** Series multiply: servers × horizons × quantiles. Their number is bounded. */
export class ForecastSeriesSet {
  readonly name: string;
  readonly labelNames: readonly string[];
  /** How many series a server has. */
  readonly perServer: number;
  readonly #fleet: Fleet;
  readonly #labels: readonly (readonly [label: string, text: string])[];
  readonly #hasProfile: boolean;
  /** What differs between the series of a server. */
  readonly #kinds: readonly { readonly quantile: string; readonly horizon: string; readonly at: number }[];

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    const { model, settings, stepMs } = fleet;
    const { __name__: name = '', ...labels } = settings.metricFormat;
    this.name = name.replaceAll('$METRIC', model.target);
    this.#labels = Object.entries(labels);
    this.labelNames = Object.keys(labels);
    this.#hasProfile = Object.values(labels).some((text) => text.includes('$PROFILE'));
    const columns = [...new Set(Object.values(fleet.columns))];
    this.#kinds = horizonSteps(settings, model).flatMap((horizon) =>
      columns.map((column) => ({
        quantile: String(model.quantiles[column]),
        horizon: shownHorizon((horizon * stepMs) / MINUTE),
        at: (horizon - 1) * model.quantiles.length + column,
      })),
    );
    this.perServer = this.#kinds.length;
  }

  /** All servers with a forecast, first those with series. */
  *servers(): Generator<ForecastServer> {
    const { roster, standings, latest, settings } = this.#fleet;
    let series = 0;
    for (const [place, server] of roster) {
      const forecast = standings.state(place) === 'stale' ? undefined : latest.get(place);
      if (forecast === undefined) continue;
      const isLeftOut = series + this.perServer > settings.metricSeries;
      if (!isLeftOut) series += this.perServer;
      yield { place, server, forecast, isLeftOut };
    }
  }

  /** Whether the series of two servers are the same ones. */
  areSame(one: LabelledServer, other: LabelledServer): boolean {
    return one.name === other.name && (!this.#hasProfile || one.profile === other.profile);
  }

  *seriesOf({ name, profile }: LabelledServer): Generator<ForecastSeries> {
    for (const { quantile, horizon, at } of this.#kinds) {
      const variables: Record<string, string> = {
        SERVER: name,
        PROFILE: profile,
        METRIC: this.#fleet.model.target,
        QUANTILE: quantile,
        HORIZON: horizon,
      };
      const filled = this.#labels.map(([label, text]) => [
        label,
        text.replace(VARIABLE, (_, variable: string) => variables[variable] ?? ''),
      ]);
      yield { labels: Object.fromEntries(filled) as Record<string, string>, at };
    }
  }
}

/** 30m, 1h, 90m */
function shownHorizon(minutes: number): string {
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}

/** @throws TFTError ERR_TFT_OPTION for a format that yields no metric name, or gives one series several values. */
export function checkFormat(format: Readonly<Record<string, string>>): void {
  const refuse = (message: string) => {
    throw new TFTError('ERR_TFT_OPTION', `metricFormat: ${message}`);
  };
  const { __name__: name = '', ...labels } = format;
  if (!NAME.test(name.replaceAll('$METRIC', 'x')))
    refuse("'__name__' is missing, or no name of a metric; only $METRIC may be in it");
  for (const label of Object.keys(labels)) if (!LABEL.test(label)) refuse(`'${label}' is no name of a label`);
  const used = Object.values(labels).join(' ');
  for (const variable of ['$SERVER', '$QUANTILE', '$HORIZON']) {
    if (!used.includes(variable))
      refuse(`a label must have ${variable}, or several values would share a series`);
  }
}
