// GET /fleet/servers/{server}: one server with its history, its forecast, and past forecasts of the measured steps.
import type { ServerDetail } from '../api.js';
import type { Fleet } from '../fleet.js';
import { isoTime, short } from './outlooks.js';
import { measured } from './overview.js';

const MINUTE = 60_000;

/** Without the explanation. @returns undefined for a server that is not known. */
export function serverDetail(fleet: Fleet, name: string): Omit<ServerDetail, 'explanation'> | undefined {
  const place = fleet.roster.indexOf(name);
  const entry = place === undefined ? undefined : fleet.roster.at(place);
  if (place === undefined || entry === undefined) return undefined;
  const forecast = fleet.latest.get(place);
  const { quantiles, stepMinutes, horizon } = fleet.model;
  const width = quantiles.length;
  const alerts = fleet.alerts?.state();
  return {
    server: entry.name,
    profile: entry.profile,
    status: entry.status,
    state: fleet.standings.state(place),
    source: forecast?.source ?? 'model',
    history: history(fleet, place),
    forecast:
      forecast === undefined
        ? null
        : {
            madeAt: isoTime(forecast.madeAt),
            start: isoTime((forecast.step + 1) * fleet.stepMs),
            stepMinutes,
            quantiles: [...quantiles],
            values: Array.from({ length: horizon }, (_, step) =>
              Array.from(forecast.values.subarray(step * width, (step + 1) * width), short),
            ),
          },
    past: pastForecasts(fleet, place),
    alerts: [...(alerts?.active ?? []), ...(alerts?.recent ?? [])].filter(({ server }) => server === name),
    accuracy: fleet.accuracy?.server(place)?.slice() ?? null,
  };
}

function history(fleet: Fleet, place: number): ServerDetail['history'] {
  const { window, maxGap } = fleet.ring.shape;
  const first = fleet.closed - window + 1;
  const values: (number | null)[] = [];
  const filled: boolean[] = [];
  let last: number | null = null;
  let missing = 0;
  for (let step = first - maxGap; step <= fleet.closed; step++) {
    const value = measured(fleet, place, step);
    missing = value === null ? missing + 1 : 0;
    last = value ?? (missing > maxGap ? null : last);
    if (step < first) continue;
    values.push(last === null ? null : short(last));
    filled.push(value === null && last !== null);
  }
  return { start: isoTime(first * fleet.stepMs), stepMinutes: fleet.model.stepMinutes, values, filled };
}

/** The forecasts of the steps in the window, made at the named horizons. */
function pastForecasts(fleet: Fleet, place: number): ServerDetail['past'] {
  const { store } = fleet.keeper;
  const width = fleet.model.quantiles.length;
  const to = fleet.closed + 1;
  const from = to - fleet.ring.shape.window;
  return store.horizons.map((horizon) => {
    const values = store.readServerForecasts(place, horizon, from, to);
    const points: ServerDetail['past'][number]['points'] = [];
    for (let step = from; step < to; step++) {
      const quantiles = values.subarray((step - from) * width, (step - from + 1) * width);
      if (Number.isNaN(quantiles[0])) continue;
      points.push({ at: isoTime(step * fleet.stepMs), quantiles: Array.from(quantiles, short) });
    }
    return { horizonMinutes: (horizon * fleet.stepMs) / MINUTE, points };
  });
}
