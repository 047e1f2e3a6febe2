// The short form of forecasts: which quantiles are the median and the band, which steps get a column, and how numbers and
// durations are written.
import type { FleetForecast, ModelDescription } from '../../index.js';

/** Columns of the quantile axis. */
export interface Band {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The median and the band nearest to 10 to 90 % that the model predicts. */
export function bandOf(quantiles: readonly number[]): Band {
  return { median: nearest(quantiles, 0.5), low: nearest(quantiles, 0.1), high: nearest(quantiles, 0.9) };
}

/** Bands that lie symmetrically around the median, widest first. */
export function nestedBands(quantiles: readonly number[]): { low: number; high: number; share: number }[] {
  const bands: { low: number; high: number; share: number }[] = [];
  for (let low = 0, high = quantiles.length - 1; low < high; low++, high--) {
    bands.push({ low, high, share: (quantiles[high] as number) - (quantiles[low] as number) });
  }
  return bands;
}

/** 'median and 10–90 % band', with the model's quantiles. */
export function describeBand(quantiles: readonly number[]): string {
  const { median, low, high } = bandOf(quantiles);
  const middle = quantiles[median] === 0.5 ? 'median' : `${percent(quantiles[median])} % quantile`;
  return `${middle} and ${percent(quantiles[low])}–${percent(quantiles[high])} % band`;
}

/** The steps (0 is the first of the horizon) that a table shows: an eighth, half and all of the horizon. */
export function shownSteps(horizon: number): number[] {
  const counts = [horizon / 8, horizon / 2, horizon].map((steps) => Math.max(1, Math.round(steps)));
  return [...new Set(counts)].map((steps) => steps - 1);
}

/** '8 h', '45 min', '1.5 h', '3 days'. */
export function formatSpan(minutes: number): string {
  if (minutes < 60) return `${round(minutes, 1)} min`;
  const hours = minutes / 60;
  return hours >= 72 ? `${round(hours / 24, 1)} days` : `${round(hours, 1)} h`;
}

/** Decimals that show three or four digits of values up to `largest`; whole numbers from a thousand on. */
export function decimalsFor(largest: number): number {
  const exponent = largest > 0 ? Math.floor(Math.log10(largest)) : 1;
  if (exponent >= 3) return 0;
  return exponent >= 1 ? 1 : Math.min(6, 2 - exponent);
}

/** 'cpu_user_pct (%)' */
export function targetTitle(model: ModelDescription): string {
  const unit = targetUnit(model);
  return unit === '' ? model.target : `${model.target} (${unit})`;
}

export function targetUnit(model: ModelDescription): string {
  return model.metrics.find((metric) => metric.name === model.target)?.unit ?? '';
}

/** 0.1 is '10'; a quantile like 0.025 keeps its decimal. */
export function percent(share: number | undefined): string {
  return String(round((share ?? Number.NaN) * 100, 2));
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}

function nearest(values: readonly number[], wanted: number): number {
  let best = 0;
  for (const [index, value] of values.entries()) {
    if (Math.abs(value - wanted) < Math.abs((values[best] as number) - wanted)) best = index;
  }
  return best;
}

/** What was done to the network's numbers, for people: '' when nothing was. */
export function describeTidying({ sorted, clipped, model, about }: FleetForecast): string {
  const { minimum, maximum } = model.metrics.find(({ name }) => name === model.target) ?? {};
  const hasRange = clipped && (minimum !== undefined || maximum !== undefined);
  const unit = about.unit ? ` ${about.unit}` : '';
  const within = minimum !== undefined && maximum !== undefined;
  const range = within
    ? `kept within ${minimum} to ${maximum}`
    : minimum === undefined
      ? `at most ${maximum}`
      : `at least ${minimum}`;
  return [sorted ? 'quantiles sorted' : '', hasRange ? `${range}${unit}` : ''].filter(Boolean).join(', ');
}
