// What was filled, merged, left out or doubtful in a history, counted while rows come in and told at the end.
import type { Metric } from '../contract/model.js';
import type { UnknownCategory } from './category-codes.js';
import type { RowFate } from './server-series.js';
import { formatTimestamp } from './timestamp.js';
import type { HistoryWarning, ServerWindow } from './windows.js';

/** What {@link HistoryReport.warnings} looks at. */
export interface ReportContext {
  readonly servers: readonly ServerWindow[];
  readonly metrics: readonly Metric[];
  readonly encoderLength: number;
  readonly maxGap: number;
  readonly unknownCategories: readonly UnknownCategory[];
}

type CountedFate = Exclude<RowFate, 'kept' | 'old'>;

interface Tally {
  count: number;
  /** The first one met. */
  example: string;
}

export class HistoryReport {
  readonly #stepMinutes: number;
  readonly #tallies = new Map<CountedFate | 'incomplete', Tally>();

  constructor(stepMinutes: number) {
    this.#stepMinutes = stepMinutes;
  }

  /** Counts a row that was not simply kept. Rows too old to matter are no news. */
  count(fate: RowFate, server: string, time: number): void {
    if (fate === 'kept' || fate === 'old') return;
    this.#add(fate, () => `${server} at ${formatTimestamp(time)}`);
  }

  /** Counts a row that was not used because `metric` is empty. */
  incomplete(server: string, time: number, metric: string): void {
    this.#add('incomplete', () => `${metric} of ${server} at ${formatTimestamp(time)}`);
  }

  #add(kind: CountedFate | 'incomplete', example: () => string): void {
    const tally = this.#tallies.get(kind);
    if (tally === undefined) this.#tallies.set(kind, { count: 1, example: example() });
    else tally.count++;
  }

  warnings(context: ReportContext): HistoryWarning[] {
    return [
      ...this.#filled(context),
      ...this.#stale(context),
      ...this.#rows(),
      ...context.unknownCategories.map(
        ({ category, value, count }): HistoryWarning => ({
          kind: 'category',
          message: `${category} '${value}' is unknown to the model (${plural(count, 'row')}); taken as 'unknown'`,
          count,
        }),
      ),
      ...outOfRange(context, this.#stepMinutes),
    ];
  }

  #filled({ servers, encoderLength }: ReportContext): HistoryWarning[] {
    return servers
      .filter(({ filled }) => filled.length > 0)
      .map(({ server, filled }) => {
        const count = filled.reduce((sum, gap) => sum + gap.steps, 0);
        const longest = filled.reduce((a, b) => (b.steps > a.steps ? b : a));
        const more = filled.length > 1 ? ` in ${filled.length} gaps, the longest` : ',';
        return {
          kind: 'filled',
          server,
          count,
          message:
            `${server}: filled ${count} of ${encoderLength} steps${more} from ${formatTimestamp(longest.from)} ` +
            `(${longest.steps * this.#stepMinutes} min)`,
        };
      });
  }

  #stale({ servers, maxGap }: ReportContext): HistoryWarning[] {
    const newest = servers.reduce((latest, { start }) => Math.max(latest, start.getTime()), 0);
    const tolerated = Math.max(1, maxGap) * this.#stepMinutes * 60_000;
    return servers
      .filter(({ start }) => newest - start.getTime() > tolerated)
      .map(({ server, start }) => ({
        kind: 'stale',
        server,
        count: 1,
        message:
          `${server}: its history ends ${lapse(newest - start.getTime())} before the newest of the fleet; ` +
          `its forecast starts at ${formatTimestamp(start)}`,
      }));
  }

  #rows(): HistoryWarning[] {
    const texts: Record<CountedFate | 'incomplete', [what: string, then: string]> = {
      repeated: ['repeated rows', 'one of each is kept'],
      conflicting: ['different rows for the same server and time', 'the last one is kept'],
      merged: [`rows that share a ${this.#stepMinutes}-minute step`, 'the latest is kept'],
      incomplete: ['rows with an empty metric', 'they count as missing'],
    };
    return [...this.#tallies].map(([kind, { count, example }]) => {
      const [what, then] = texts[kind];
      return { kind, count, message: `${what}: ${count.toLocaleString('en')} (first: ${example}); ${then}` };
    });
  }
}

function outOfRange({ servers, metrics }: ReportContext, stepMinutes: number): HistoryWarning[] {
  const warnings: HistoryWarning[] = [];
  for (const [channel, { name, unit, minimum, maximum }] of metrics.entries()) {
    const low = minimum ?? Number.NEGATIVE_INFINITY;
    const high = maximum ?? Number.POSITIVE_INFINITY;
    let count = 0;
    let example = '';
    for (const { server, start, inputs } of servers) {
      const values = inputs.encoderCont;
      for (let at = channel; at < values.length; at += metrics.length) {
        const value = values[at] as number;
        if (value >= low && value <= high) continue;
        if (count++ === 0) {
          const stepsBack = (values.length - at + channel) / metrics.length;
          const time = start.getTime() - stepsBack * stepMinutes * 60_000;
          example = `${Number(value.toPrecision(6))} of ${server} at ${formatTimestamp(time)}`;
        }
      }
    }
    if (count > 0) {
      const range = `${minimum ?? 'any'} to ${maximum ?? 'any'}${unit === '' ? '' : ` ${unit}`}`;
      const message = `${plural(count, 'value')} of ${name} outside its range, ${range} (first: ${example})`;
      warnings.push({ kind: 'range', count, message });
    }
  }
  return warnings;
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

function lapse(ms: number): string {
  const hours = ms / 3_600_000;
  return hours >= 48 ? `${Math.round(hours / 24)} days` : `${Number(hours.toFixed(1))} h`;
}
