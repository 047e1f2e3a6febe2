// A server's history, forecast and past forecasts as the columns of one chart, over one axis of times.
import type { ServerDetail } from '../../src/fleet/api.js';

export interface Fan {
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly measured: readonly (number | null)[];
  /** Where a measured value was filled in; null elsewhere. */
  readonly filled: readonly (number | null)[];
  /** `[quantiles][times]`, ascending in the quantile. */
  readonly quantiles: readonly (readonly (number | null)[])[];
  readonly names: readonly number[];
  /** The forecasts made one horizon before, low, median and high; undefined if none is shown. */
  readonly past: { readonly low: Column; readonly median: Column; readonly high: Column } | undefined;
  /** The last time of the history, at which the forecast begins; undefined without history. */
  readonly now: number | undefined;
}

type Column = readonly (number | null)[];

/** @param pastHorizon minutes; the past forecasts of that horizon are shown. */
export function fanOf(detail: ServerDetail, pastHorizon: number | undefined): Fan {
  const { history, forecast } = detail;
  const past = detail.past.find(({ horizonMinutes }) => horizonMinutes === pastHorizon);
  const historyStart = Date.parse(history.start) / 1000;
  const historyTimes = history.values.map((_, step) => historyStart + step * history.stepMinutes * 60);
  const forecastStart = forecast === null ? 0 : Date.parse(forecast.start) / 1000;
  const forecastTimes = (forecast?.values ?? []).map(
    (_, step) => forecastStart + step * (forecast?.stepMinutes ?? 0) * 60,
  );
  const pastTimes = (past?.points ?? []).map(({ at }) => Date.parse(at) / 1000);
  const times = [...new Set([...historyTimes, ...forecastTimes, ...pastTimes])].sort(
    (one, other) => one - other,
  );
  const place = new Map(times.map((time, index) => [time, index]));
  const column = (at: readonly number[], values: readonly (number | null | undefined)[]) => {
    const made = new Array<number | null>(times.length).fill(null);
    for (const [index, time] of at.entries()) made[place.get(time) as number] = values[index] ?? null;
    return made;
  };

  const last = history.values.findLastIndex((value) => value !== null);
  const names = forecast?.quantiles ?? [];
  const quantiles = names.map((_, quantile) => {
    const made = column(forecastTimes, forecast?.values.map((values) => values[quantile]) ?? []);
    // The fan opens at the last measured value.
    if (last >= 0) {
      const at = place.get(historyTimes[last] as number) as number;
      made[at] ??= history.values[last] as number;
    }
    return made;
  });
  const pastColumn = (quantile: number) =>
    column(pastTimes, past?.points.map(({ quantiles }) => quantiles[quantile]) ?? []);
  return {
    times,
    measured: column(historyTimes, history.values),
    filled: column(
      historyTimes,
      history.values.map((value, step) => (history.filled[step] ? value : null)),
    ),
    quantiles,
    names,
    past:
      past === undefined
        ? undefined
        : {
            low: pastColumn(nearest(names, 0.1)),
            median: pastColumn(nearest(names, 0.5)),
            high: pastColumn(nearest(names, 0.9)),
          },
    now: last < 0 ? undefined : historyTimes[last],
  };
}

/** The index of the quantile that is nearest to the wanted one; 0 if there is none. */
export function nearest(quantiles: readonly number[], wanted: number): number {
  let best = 0;
  for (const [index, quantile] of quantiles.entries()) {
    if (Math.abs(quantile - wanted) < Math.abs((quantiles[best] as number) - wanted)) best = index;
  }
  return best;
}

/** The nested bands of a fan: pairs of quantiles around the median, the outermost first. */
export function bands(quantiles: readonly number[]): { low: number; high: number; share: number }[] {
  return Array.from({ length: Math.floor(quantiles.length / 2) }, (_, low) => {
    const high = quantiles.length - 1 - low;
    return { low, high, share: (quantiles[high] as number) - (quantiles[low] as number) };
  });
}
