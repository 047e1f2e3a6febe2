// Counts the rows of a history that were filled, merged, left out or doubtful, and makes warnings of them at the end.
import type { Category, Metric } from '../contract/model.js';
import { targetOf } from '../contract/target.js';
import type { UnknownCategory } from './category-codes.js';
import type { RowFate } from './server-series.js';
import { formatTimestamp } from './timestamp.js';
import type { HistoryWarning, ServerWindow } from './windows.js';

/** The data that {@link HistoryReport.warnings} needs. */
export interface ReportContext {
  readonly servers: readonly ServerWindow[];
  readonly metrics: readonly Metric[];
  readonly target: string | undefined;
  readonly categories: readonly Category[];
  /** Categories that the model reads ahead although they need not be known. */
  readonly readAhead: readonly string[];
  /** How many servers have no rows for all of the steps ahead. */
  readonly repeating: number;
  readonly repeatsKnown: boolean;
  readonly encoderLength: number;
  readonly maxGap: number;
  readonly unknownCategories: readonly UnknownCategory[];
}

type CountedFate = Exclude<RowFate, 'kept' | 'old'>;

interface Tally {
  count: number;
  /** The first case. */
  example: string;
}

export class HistoryReport {
  readonly #stepMinutes: number;
  readonly #tallies = new Map<CountedFate | 'incomplete', Tally>();

  constructor(stepMinutes: number) {
    this.#stepMinutes = stepMinutes;
  }

  /** Counts a row that was not simply kept. Rows that are too old to be used are not reported. */
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
      ...shorter(context),
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
      ...shares(context),
      ...standingStill(context),
      ...repeatedCategories(context),
    ];
  }

  #filled({ servers }: ReportContext): HistoryWarning[] {
    return servers
      .filter(({ filled }) => filled.length > 0)
      .map(({ server, filled, steps }) => {
        const count = filled.reduce((sum, gap) => sum + gap.steps, 0);
        const longest = filled.reduce((a, b) => (b.steps > a.steps ? b : a));
        const more = filled.length > 1 ? ` in ${filled.length} gaps, the longest` : ',';
        return {
          kind: 'filled',
          server,
          count,
          message:
            `${server}: filled ${count} of ${steps} steps${more} from ${formatTimestamp(longest.from)} ` +
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
      merged: [`rows that share a ${this.#stepMinutes}-minute step`, 'they are averaged'],
      incomplete: ['rows with an empty metric', 'they count as missing'],
    };
    return [...this.#tallies].map(([kind, { count, example }]) => {
      const [what, then] = texts[kind];
      return { kind, count, message: `${what}: ${count.toLocaleString('en')} (first: ${example}); ${then}` };
    });
  }
}

function shorter({ servers, encoderLength }: ReportContext): HistoryWarning[] {
  return servers
    .filter(({ steps }) => steps < encoderLength)
    .map(({ server, steps }) => ({
      kind: 'short',
      server,
      count: encoderLength - steps,
      message: `${server}: has ${steps} of the ${encoderLength} steps that the model can read, and is forecast from those`,
    }));
}

function outOfRange({ servers, metrics }: ReportContext, stepMinutes: number): HistoryWarning[] {
  const warnings: HistoryWarning[] = [];
  for (const [channel, { name, unit, minimum, maximum }] of metrics.entries()) {
    const low = minimum ?? Number.NEGATIVE_INFINITY;
    const high = maximum ?? Number.POSITIVE_INFINITY;
    let count = 0;
    let example = '';
    for (const { server, start, inputs, steps } of servers) {
      const values = inputs.encoderCont;
      for (let at = firstOf(values, steps, metrics) + channel; at < values.length; at += metrics.length) {
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

/** A percentage that is never above 1 on any server is most likely a share. */
function shares({ servers, metrics }: ReportContext): HistoryWarning[] {
  return [...metrics.entries()].flatMap(([channel, { name, unit, maximum }]): HistoryWarning[] => {
    if (unit !== '%' || maximum !== 100 || servers.length === 0) return [];
    let largest = Number.NEGATIVE_INFINITY;
    let smallest = Number.POSITIVE_INFINITY;
    for (const { inputs, steps } of servers) {
      const { encoderCont: values } = inputs;
      for (let at = firstOf(values, steps, metrics) + channel; at < values.length; at += metrics.length) {
        largest = Math.max(largest, values[at] as number);
        smallest = Math.min(smallest, values[at] as number);
      }
    }
    if (smallest < 0 || largest > 1 || largest === smallest) return [];
    const message = `${name} is a percentage, but is between 0 and 1 everywhere; if it is a share, multiply it by 100 (a column map's scale)`;
    return [{ kind: 'scale', count: servers.length, message }];
  });
}

/** A target that is constant for a whole window was most likely not measured. */
function standingStill(context: ReportContext): HistoryWarning[] {
  const { servers, metrics, target } = context;
  const { channel } = targetOf(context);
  if (channel < 0) return [];
  return servers
    .filter(({ inputs: { encoderCont }, steps }) => {
      const first = firstOf(encoderCont, steps, metrics) + channel;
      for (let at = first; at < encoderCont.length; at += metrics.length) {
        if (encoderCont[at] !== encoderCont[first]) return false;
      }
      return true;
    })
    .map(({ server, inputs: { encoderCont }, steps }) => {
      const value = encoderCont[firstOf(encoderCont, steps, metrics) + channel] as number;
      const shown = Number(value.toPrecision(6));
      const message = `${server}: ${target} is ${shown} in the whole window; was it measured?`;
      return { kind: 'constant', server, count: 1, message };
    });
}

/** A category's last value is used for all future steps: a guess for one that changes and that the model reads ahead. */
function repeatedCategories(context: ReportContext): HistoryWarning[] {
  const { servers, categories, encoderLength, readAhead, repeating, repeatsKnown } = context;
  return [...categories.entries()].flatMap(([channel, { name, role }]): HistoryWarning[] => {
    if (role === 'static' || (role === 'known' && !repeatsKnown)) return [];
    const changes = changesOf(context, channel);
    if (role === 'known' || (readAhead.includes(name) && changes > 0)) {
      if (repeating === 0) return [];
      const message =
        `${name}: the model reads its values ahead, and ${plural(repeating, 'server')} ${repeating === 1 ? 'has' : 'have'} no ` +
        `rows for all steps ahead; its last value is used for them. Add rows with the time and ${name} and empty metrics`;
      return [{ kind: 'category', count: repeating, message }];
    }
    if (changes * 2 <= servers.length * (encoderLength - 1)) return [];
    const message = `${name} changes from step to step, and its last value is used for all future steps; this is right only if the model reads only its past`;
    return [{ kind: 'category', count: servers.length, message }];
  });
}

/** Where the last `steps` of one server's values begin. */
function firstOf(values: ArrayLike<number>, steps: number, channels: readonly unknown[]): number {
  return values.length - steps * channels.length;
}

/** How often a category changes from one step to the next. */
function changesOf({ servers, categories }: ReportContext, channel: number): number {
  let changes = 0;
  for (const { inputs, steps } of servers) {
    const codes = inputs.encoderCat;
    const second = firstOf(codes, steps - 1, categories) + channel;
    for (let at = second; at < codes.length; at += categories.length) {
      if (codes[at] !== codes[at - categories.length]) changes++;
    }
  }
  return changes;
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

function lapse(ms: number): string {
  const hours = ms / 3_600_000;
  return hours >= 48 ? `${Math.round(hours / 24)} days` : `${Number(hours.toFixed(1))} h`;
}
