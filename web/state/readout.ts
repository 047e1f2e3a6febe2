// The chart in words: for one time, and as a whole.
import type { Fan } from './fan.js';
import { bands, nearest } from './fan.js';
import { measure, withUnit } from './numbers.js';
import { clock, duration, type Zone } from './times.js';

export interface Words {
  readonly unit: string;
  readonly zone: Zone;
  /** The horizon of the past forecasts, in minutes. */
  readonly past: number | undefined;
}

/** Of the time with this index: `14:05: median 71.2 %, 80 % between 60.1 and 84.0`. */
export function lookedAt(fan: Fan, index: number, { unit, zone, past }: Words): string {
  const { times, measured, filled, names, quantiles, now } = fan;
  const time = times[index];
  if (time === undefined) return '';
  const parts: string[] = [];
  const value = measured[index] ?? null;
  if (value !== null) {
    const isFilled = (filled[index] ?? null) !== null;
    parts.push(`${isFilled ? 'filled in' : 'measured'} ${withUnit(value, unit)}`);
  } else if (now !== undefined && time <= now) {
    parts.push('not measured');
  }
  const median = quantiles[nearest(names, 0.5)]?.[index] ?? null;
  if (median !== null && (now === undefined || time > now)) {
    parts.push(`median ${withUnit(median, unit)}`);
    for (const { low, high, share } of bands(names).reverse()) {
      const [from, to] = [quantiles[low]?.[index], quantiles[high]?.[index]];
      parts.push(`${Math.round(share * 100)} % ${measure(from)} to ${measure(to)}`);
    }
  }
  const before = fan.past?.median[index] ?? null;
  if (before !== null && past !== undefined) {
    const range = `${measure(fan.past?.low[index])} to ${measure(fan.past?.high[index])}`;
    parts.push(`forecast ${duration(past * 60)} before ${withUnit(before, unit)} (${range})`);
  }
  const at = clock(time * 1000, (now ?? time) * 1000, zone);
  return `${at}: ${parts.length === 0 ? 'nothing known' : parts.join(', ')}`;
}

/** The chart in one or two sentences. */
export function summary(fan: Fan, { unit, zone }: Words): string {
  const { times, measured, quantiles, names, now } = fan;
  const known = measured.filter((value) => value !== null);
  const sentences: string[] = [];
  const begin = (now ?? times[0] ?? 0) * 1000;
  if (known.length > 0) {
    const span = duration((now as number) - (times[0] as number));
    const [low, high] = [Math.min(...known), Math.max(...known)];
    sentences.push(
      `Over the past ${span} between ${measure(low)} and ${withUnit(high, unit)}, now ${withUnit(known.at(-1), unit)}.`,
    );
  }
  const median = quantiles[nearest(names, 0.5)] ?? [];
  let peak: number | undefined;
  for (const [index, value] of median.entries()) {
    if (value === null || (now !== undefined && (times[index] as number) <= now)) continue;
    if (peak === undefined || value > (median[peak] as number)) peak = index;
  }
  if (peak !== undefined) {
    const ahead = duration((times.at(-1) as number) - (now ?? (times[0] as number)));
    const at = clock((times[peak] as number) * 1000, begin, zone);
    sentences.push(
      `Over the next ${ahead} the median is highest at ${at}, with ${withUnit(median[peak], unit)}.`,
    );
  }
  return sentences.join(' ');
}
