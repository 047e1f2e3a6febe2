// What a forecast rests on, laid out: the hours of the past below the chart, and the weights as bars.
import type { Explanation, ServerDetail } from '../../src/fleet/api.js';
import type { Fan } from './fan.js';
import { percent } from './numbers.js';
import { clock, duration, type Zone } from './times.js';

export type Weights = Explanation['variables'];

/** A bin of the past: where it is on the chart's axis of times, in per cent of its width, and what it weighs. */
export interface StripCell {
  readonly left: number;
  readonly width: number;
  readonly weight: number;
  /** The weight as a share of the largest of all rows. */
  readonly shade: number;
  readonly begin: number;
}

/** The attention of one part of the horizon to the bins of the past. */
export interface StripRow {
  readonly name: string;
  readonly cells: readonly StripCell[];
}

export interface Strip {
  readonly rows: readonly StripRow[];
  /** Where the past ends on the axis, in per cent. */
  readonly end: number;
  readonly binMinutes: number;
}

/** The strip below the chart; undefined where the chart does not have the times that the forecast read. */
export function stripOf({ explanation }: ServerDetail, { times }: Fan): Strip | undefined {
  const [from, to] = [times[0], times.at(-1)];
  if (!explanation || from === undefined || to === undefined || to <= from) return undefined;
  const { attention, attentionMinutes, parts } = explanation;
  const bin = attentionMinutes * 60;
  // A bin begins half a step before its first step; half a step is not seen here.
  const begins = attention.map(({ at }) => Date.parse(at) / 1000);
  const place = (time: number) => Math.min(100, Math.max(0, ((time - from) / (to - from)) * 100));
  const largest = Math.max(1e-9, ...parts.flatMap(({ weights }) => weights));
  return {
    rows: parts.map(({ fromMinutes, toMinutes, weights }) => ({
      name: partName(fromMinutes, toMinutes),
      cells: begins.map((begin, index) => {
        const weight = weights[index] ?? 0;
        const left = place(begin);
        return { begin, left, width: place(begin + bin) - left, weight, shade: weight / largest };
      }),
    })),
    end: place((begins.at(-1) ?? from) + bin),
    binMinutes: attentionMinutes,
  };
}

/** `next 1 h`, `1 to 4 h`. */
export function partName(fromMinutes: number, toMinutes: number): string {
  const [begin, end] = [duration(fromMinutes * 60), duration(toMinutes * 60)];
  const [count = '', unit = '', ...rest] = begin.split(' ');
  const isOfOneUnit = rest.length === 0 && end.endsWith(` ${unit}`);
  return fromMinutes === 0 ? `next ${end}` : `${isOfOneUnit ? count : begin} to ${end}`;
}

/** The strip in words: what each part of the horizon looks at most. */
export function stripSummary({ rows, binMinutes }: Strip, now: number, zone: Zone): string {
  const sentences = rows.map(({ name, cells }) => {
    const [most] = [...cells].sort((one, other) => other.weight - one.weight);
    return most === undefined ? '' : `${name}, most to ${cellText(most, binMinutes, now, zone)}`;
  });
  return `Attention to the past by how far ahead: ${sentences.join('; ')}.`;
}

/** `02:00 to 03:00: 11 %`. */
export function cellText({ begin, weight }: StripCell, binMinutes: number, now: number, zone: Zone): string {
  const text = (time: number) => clock(time * 1000, now, zone);
  return `${text(begin)} to ${text(begin + binMinutes * 60)}: ${percent(weight)}`;
}

export interface WeightGroup {
  readonly title: string;
  readonly list: Weights;
}

/** The groups of weights that say something: those of several variables, each with its heaviest. */
export function weightGroups({ variables, ahead, statics }: Explanation, shown: number): WeightGroup[] {
  const groups = [
    { title: 'Of the past', list: variables },
    { title: 'Known ahead', list: ahead },
    { title: 'Of the whole window', list: statics },
  ];
  return groups
    .filter(({ list }) => list.length > 1)
    .map(({ title, list }) => ({ title, list: list.slice(0, shown) }));
}
