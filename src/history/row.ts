// One row of measurements as a program gives it, and its check: what is wrong is named with its place, and nothing is taken.
import { TFTError } from '../contract/errors.js';
import { likelyName } from './likely-name.js';
import { formatTimestamp, parseTimestamp } from './timestamp.js';
import type { HistoryModel } from './windows.js';

/** One server's metrics at one time. */
export interface HistoryRow {
  /** A Date, milliseconds since 1970, or text as {@link parseTimestamp} reads it. */
  timestamp: Date | number | string;
  server_name: string;
  profile?: string | undefined;
  status?: string | undefined;
  /** Values of further categories by name, for a model that has others than profile and status. */
  categories?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * All of the model's metrics by name, in raw units; null for a missing measurement. In a row of a step ahead only those
   * are numbers that are known then. Features of the calendar are not among them.
   */
  metrics: Readonly<Record<string, number | null>>;
  /** The numbers that a series keeps, by name, for a model that has such. */
  statics?: Readonly<Record<string, number | null>> | undefined;
}

/** A row that can be taken. */
export interface CheckedRow {
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** In the model's order, followed by its static numbers; NaN where nothing was measured. */
  readonly metrics: Float64Array;
  /** In the model's order. */
  readonly categories: readonly (string | undefined)[];
}

const ROW_KEYS = ['timestamp', 'server_name', 'profile', 'status', 'categories', 'metrics', 'statics'];
const LARGEST = 3.4028234663852886e38;

export class RowCheck {
  readonly #model: HistoryModel;
  readonly #metricIndex: ReadonlyMap<string, number>;
  readonly #staticIndex: ReadonlyMap<string, number>;

  constructor(model: HistoryModel) {
    this.#model = model;
    this.#metricIndex = new Map(
      [...model.metrics.entries()]
        .filter(([, { ahead }]) => ahead !== 'calendar')
        .map(([index, { name }]) => [name, index]),
    );
    const first = model.metrics.length;
    this.#staticIndex = new Map((model.statics ?? []).map(({ name }, index) => [name, first + index]));
  }

  /** @param which what messages call the row, before its server and time. @throws TFTError ERR_TFT_HISTORY_COLUMN, ERR_TFT_HISTORY_VALUE. */
  check(row: HistoryRow, which: string): CheckedRow {
    const where = `${which}${describeRow(row)}`;
    if (typeof row !== 'object' || row === null) throw badValue(where, 'of it', row, 'an object');
    for (const key of Object.keys(row)) {
      if (!ROW_KEYS.includes(key)) throw unknownColumn(where, key, this.#placeOf(key));
    }
    const time = timeOf(row.timestamp);
    if (Number.isNaN(time)) throw badValue(where, 'timestamp', row.timestamp, 'a time');
    if (typeof row.server_name !== 'string' || row.server_name === '') {
      throw badValue(where, 'server_name', row.server_name, 'a name');
    }
    if (typeof row.metrics !== 'object' || row.metrics === null) {
      throw badValue(where, 'metrics', row.metrics, 'an object of numbers by name');
    }
    const metrics = new Float64Array(this.#model.metrics.length + this.#staticIndex.size);
    readNumbers(row.metrics, 'metrics', this.#metricIndex, metrics, where);
    const { statics = {} } = row;
    if (typeof statics !== 'object' || statics === null) {
      throw badValue(where, 'statics', statics, 'an object of numbers by name');
    }
    readNumbers(statics, 'statics', this.#staticIndex, metrics, where);
    const given: Record<string, unknown> = { profile: row.profile, status: row.status, ...row.categories };
    const categories = this.#model.categories.map(({ name }) => {
      const value = given[name] ?? undefined;
      if (value !== undefined && typeof value !== 'string') throw badValue(where, name, value, 'text');
      return value;
    });
    return { server: row.server_name, time, metrics, categories };
  }

  /** Where an unknown key of a row belongs. */
  #placeOf(key: string): string | undefined {
    if (this.#metricIndex.has(key)) return `metrics.${key}`;
    if (this.#model.categories.some(({ name }) => name === key)) return `categories.${key}`;
    return likelyName(key, ROW_KEYS);
  }
}

/** Writes a row's numbers where `index` says. */
function readNumbers(
  given: Readonly<Record<string, number | null>>,
  key: 'metrics' | 'statics',
  index: ReadonlyMap<string, number>,
  out: Float64Array,
  where: string,
): void {
  for (const name of Object.keys(given)) {
    if (index.has(name)) continue;
    const likely = likelyName(name, [...index.keys()]);
    throw unknownColumn(where, `${key}.${name}`, likely && `${key}.${likely}`);
  }
  for (const [name, at] of index) {
    const value = given[name];
    if (value === undefined) {
      const what = key === 'metrics' ? 'metric' : 'static number';
      throw new TFTError(
        'ERR_TFT_HISTORY_COLUMN',
        `${where}: ${what} ${name} is missing; write null if it was not measured`,
        { details: { column: name } },
      );
    }
    if (value !== null && !isFloat32(value)) throw badValue(where, name, value, 'a finite 32-bit number');
    out[at] = value ?? Number.NaN;
  }
}

/** The server and time of a row, for messages, as far as they are right. */
function describeRow(row: HistoryRow): string {
  const { server_name: server, timestamp } = row ?? {};
  const time = timeOf(timestamp);
  const named = typeof server === 'string' && server !== '' ? server : undefined;
  if (named === undefined && Number.isNaN(time)) return '';
  return ` (${[named, Number.isNaN(time) ? undefined : formatTimestamp(time)].filter(Boolean).join(' at ')})`;
}

/** Milliseconds since 1970; NaN for what is no time. */
export function timeOf(time: Date | number | string): number {
  if (typeof time === 'string') return parseTimestamp(time.trim());
  const value = Number(time instanceof Date ? time.getTime() : (time ?? Number.NaN));
  return Number.isFinite(value) && Math.abs(value) <= 8.64e15 ? value : Number.NaN;
}

export function isFloat32(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= LARGEST;
}

export function badValue(where: string, column: string, found: unknown, expected: string): TFTError {
  return new TFTError(
    'ERR_TFT_HISTORY_VALUE',
    `${where}, column ${column}: '${String(found)}' is not ${expected}`,
    { details: { column, found } },
  );
}

function unknownColumn(where: string, column: string, likely: string | undefined): TFTError {
  const hint = likely === undefined ? '' : `; is ${likely} meant?`;
  return new TFTError('ERR_TFT_HISTORY_COLUMN', `${where}: unknown column '${column}'${hint}`, {
    details: { column },
  });
}
