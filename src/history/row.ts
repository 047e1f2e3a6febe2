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
  /** All of the model's metrics by name, in raw units; null for a missing measurement. */
  metrics: Readonly<Record<string, number | null>>;
}

/** A row that can be taken. */
export interface CheckedRow {
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** In the model's order; NaN where nothing was measured. */
  readonly metrics: Float64Array;
  /** In the model's order. */
  readonly categories: readonly (string | undefined)[];
}

const ROW_KEYS = ['timestamp', 'server_name', 'profile', 'status', 'categories', 'metrics'];
const LARGEST = 3.4028234663852886e38;

export class RowCheck {
  readonly #model: HistoryModel;
  readonly #metricIndex: ReadonlyMap<string, number>;

  constructor(model: HistoryModel) {
    this.#model = model;
    this.#metricIndex = new Map(model.metrics.map((metric, index) => [metric.name, index]));
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
    for (const key of Object.keys(row.metrics)) {
      if (this.#metricIndex.has(key)) continue;
      const likely = likelyName(key, [...this.#metricIndex.keys()]);
      throw unknownColumn(where, `metrics.${key}`, likely && `metrics.${likely}`);
    }
    const metrics = new Float64Array(this.#model.metrics.length);
    for (const [name, index] of this.#metricIndex) {
      const value = row.metrics[name];
      if (value === undefined) {
        throw new TFTError(
          'ERR_TFT_HISTORY_COLUMN',
          `${where}: metric ${name} is missing; write null if it was not measured`,
          {
            details: { column: name },
          },
        );
      }
      if (value !== null && !isFloat32(value)) throw badValue(where, name, value, 'a finite 32-bit number');
      metrics[index] = value ?? Number.NaN;
    }
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
