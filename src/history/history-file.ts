// Reads a history file into a FleetHistory. Columns are found by the header or a column map, numbers and times are parsed
// strictly, and errors name their line.
import type { Readable } from 'node:stream';
import { TFTError } from '../contract/errors.js';
import type { ColumnMap } from './column-map.js';
import { type ColumnPlan, planColumns } from './columns.js';
import { type CsvHandler, readCsv } from './csv.js';
import { type HistoryFormat, numberReader } from './format.js';
import { FleetHistory, type FleetHistoryOptions } from './history.js';
import { parseTimestamp } from './timestamp.js';
import type { HistoryModel } from './windows.js';

/** Options of {@link readHistory}. */
export interface ReadHistoryOptions extends FleetHistoryOptions, HistoryFormat {
  /** How the file's columns become the model's metrics; without it they have the metrics' own names. */
  map?: ColumnMap | undefined;
  /** Read only rows of these servers. The values of other rows are not checked. */
  servers?: readonly string[] | undefined;
  /** Called repeatedly with the number of bytes read, and with the size if the source is a file. */
  onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
  /** Awaited between two pieces of the file, so that the consumer of the rows can delay reading. */
  onPiece?: (() => Promise<void>) | undefined;
}

/**
 * Reads a history file: CSV, gzipped or not, with the columns `timestamp, server_name`, the model's metrics by name, and the
 * model's categories; missing categories are 'unknown', with a warning. docs/cli.md is the specification.
 *
 * Memory is bounded by the number of servers, not by the length of the file.
 *
 * @param source a path, or a stream such as `process.stdin`.
 * @throws TFTError ERR_TFT_FILE, ERR_TFT_HISTORY_EMPTY, or ERR_TFT_HISTORY_COLUMN and ERR_TFT_HISTORY_VALUE with
 * the line and column.
 */
export async function readHistory(
  source: string | Readable,
  model: HistoryModel,
  options: ReadHistoryOptions = {},
): Promise<FleetHistory> {
  const history = new FleetHistory(model, options);
  await readRows(source, history, model, options);
  history.finish();
  return history;
}

/**
 * Reads the rows of a file or a stream into a history that is there.
 *
 * @param options `shown` is what messages call the source.
 * @throws TFTError as {@link readHistory}.
 */
export async function readRows(
  source: string | Readable,
  history: FleetHistory,
  model: HistoryModel,
  options: ReadHistoryOptions & { readonly shown?: string } = {},
): Promise<void> {
  const shown = options.shown ?? (typeof source === 'string' ? source : 'standard input');
  const wanted = options.servers === undefined ? undefined : new Set(options.servers);
  let readRow: ((fields: readonly string[], line: number) => void) | undefined;
  let rows = 0;
  let plan: ColumnPlan | undefined;
  const handler: CsvHandler = {
    header(names) {
      plan = planFor(names, shown, model, options.map);
      readRow = rowReader(plan, history, shown, wanted, options);
    },
    row(fields, line) {
      rows++;
      readRow?.(fields, line);
    },
    ...(options.onProgress === undefined ? {} : { progress: options.onProgress }),
    ...(options.onPiece === undefined ? {} : { piece: options.onPiece }),
  };
  await readCsv(source, handler, options.separator, shown);
  if (rows === 0) {
    throw new TFTError('ERR_TFT_HISTORY_EMPTY', `${shown} has a header but no rows`);
  }
  if (plan !== undefined) tellOfColumns(plan, rows, history);
}

function tellOfColumns({ absent, clipped, calendar }: ColumnPlan, rows: number, history: FleetHistory): void {
  for (const { name, others } of calendar) {
    if (others.count === 0) continue;
    history.note({
      kind: 'calendar',
      count: others.count,
      message:
        `the column '${name}' is not that of the time stamp in UTC in ${others.count} rows (first: line ${others.line}); the ` +
        'model is given that of the time stamp. If it was trained on local time, shift the time stamps',
    });
  }
  for (const name of absent) {
    history.note({
      kind: 'category',
      count: rows,
      message: `there is no column '${name}': every row is taken as 'unknown', which may be far off`,
    });
  }
  for (const [name, { count }] of clipped) {
    if (count === 0) continue;
    history.note({
      kind: 'clipped',
      count,
      message: `the map's clip changed values of ${name} in ${count} rows`,
    });
  }
}

function planFor(
  names: readonly string[],
  shown: string,
  model: HistoryModel,
  map: ColumnMap | undefined,
): ColumnPlan {
  try {
    return planColumns(names, model, map);
  } catch (error) {
    if (!(error instanceof TFTError)) throw error;
    throw new TFTError(error.code, `${shown}: ${error.message}`, { cause: error, details: error.details });
  }
}

function rowReader(
  plan: ColumnPlan,
  history: FleetHistory,
  shown: string,
  wanted: ReadonlySet<string> | undefined,
  format: HistoryFormat,
): (fields: readonly string[], line: number) => void {
  const readNumber = numberReader(format);
  const numbers = new Float64Array(plan.numbers.length);
  const metrics = new Float64Array(plan.metrics.length);
  const categories: (string | undefined)[] = new Array(plan.categories.length).fill(undefined);

  const refuse = (line: number, column: string, found: string, expected: string) =>
    new TFTError(
      'ERR_TFT_HISTORY_VALUE',
      `${shown}, line ${line}, column ${column}: '${shortened(found)}' is not ${expected}`,
      { details: { line, column, found } },
    );

  return (fields, line) => {
    const server = plan.server(fields);
    if (wanted !== undefined && !wanted.has(server)) return;
    if (server === '') throw refuse(line, 'server_name', '', 'the name of a server');
    const stamp = fields[plan.timestamp] as string;
    const time = parseTimestamp(stamp.trim());
    if (Number.isNaN(time)) throw refuse(line, 'timestamp', stamp, 'a time such as 2026-01-31T22:05Z');
    for (let index = 0; index < numbers.length; index++) {
      const { position, name } = plan.numbers[index] as { position: number; name: string };
      const value = readNumber(fields[position] as string);
      if (value === undefined) throw refuse(line, name, fields[position] as string, 'a number');
      if (format.missingRows === 'refuse' && Number.isNaN(value)) {
        throw refuse(line, name, fields[position] as string, 'a number, and missing values are refused');
      }
      numbers[index] = value;
    }
    for (let index = 0; index < metrics.length; index++) {
      metrics[index] = (plan.metrics[index] as (numbers: Float64Array) => number)(numbers);
    }
    if (plan.calendar.length > 0) compareCalendar(plan.calendar, fields, new Date(time), line, readNumber);
    for (let index = 0; index < categories.length; index++) {
      categories[index] = (plan.categories[index] as (fields: readonly string[]) => string | undefined)(
        fields,
      );
    }
    try {
      history.record(server, time, metrics, categories, line);
    } catch (error) {
      if (!(error instanceof TFTError)) throw error;
      throw new TFTError(error.code, `${shown}, line ${line}: ${error.message}`, { cause: error });
    }
  };
}

function compareCalendar(
  columns: ColumnPlan['calendar'],
  fields: readonly string[],
  date: Date,
  line: number,
  readNumber: (text: string) => number | undefined,
): void {
  for (const { position, feature, others } of columns) {
    const found = readNumber(fields[position] as string) ?? Number.POSITIVE_INFINITY;
    if (Number.isNaN(found) || found === feature(date)) continue;
    if (others.count++ === 0) others.line = line;
  }
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
