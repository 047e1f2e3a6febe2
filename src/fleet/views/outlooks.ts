// The summary of a server's forecast that the views show.
import type { Crossing, ForecastSource } from '../api.js';
import type { Fleet } from '../fleet.js';
import type { KeptForecast } from '../memory/forecasts.js';
import { type Outlook, outlook } from '../risk.js';

export interface ServerOutlook {
  readonly forecast: KeptForecast;
  readonly outlook: Outlook;
  readonly source: ForecastSource;
}

/** The outlook of a server's newest forecast; undefined where there is none. */
export function outlookOf(fleet: Fleet, place: number): ServerOutlook | undefined {
  const forecast = fleet.latest.get(place);
  if (forecast === undefined) return undefined;
  const { columns, threshold, range } = fleet;
  return {
    forecast,
    source: forecast.source,
    outlook: outlook(forecast.values, fleet.model.quantiles, columns, threshold, range),
  };
}

/** When the threshold is crossed; null if not even the upper quantile does. */
export function crossingOf(fleet: Fleet, { forecast, outlook }: ServerOutlook): Crossing | null {
  const { earliest, likely, latest } = outlook.crossing;
  if (fleet.threshold === undefined || earliest === undefined) return null;
  const at = (step: number | undefined) => (step === undefined ? null : timeAhead(fleet, forecast, step));
  return { threshold: fleet.threshold, earliest: at(earliest), likely: at(likely), latest: at(latest) };
}

/** The time of a step ahead, counted from the first one. */
export function timeAhead(fleet: Fleet, { step }: KeptForecast, ahead: number): string {
  return isoTime((step + 1 + ahead) * fleet.stepMs);
}

export function isoTime(time: number): string {
  return new Date(time).toISOString();
}

/** Four digits are more than the accuracy of any forecast, and half the text of a float32. */
export function short(value: number): number {
  return Math.round(value * 1000) / 1000;
}
