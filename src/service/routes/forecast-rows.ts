// Makes a history of the body of POST /forecast: JSON, a JSON object a line, or CSV.
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { z } from 'zod';
import { describeIssues, TFTError } from '../../contract/errors.js';
import type { ModelDescription } from '../../contract/model.js';
import { unflattened } from '../../history/flat-row.js';
import { FleetHistory, readRows, type WindowsOptions } from '../../history/index.js';
import { timeOf } from '../../history/row.js';
import type { Holding } from '../admission/budget.js';
import { badBody, refusal } from '../http/http-error.js';
import { scanLines, scanRows } from '../http/json/row-scan.js';
import { forecastOptions } from '../http/schemas.js';

export type RowsOptions = z.infer<typeof forecastOptions>;

/** What a body is, by its Content-Type. */
export type RowsFormat = 'json' | 'lines' | 'csv';

const FORMATS: Readonly<Record<string, RowsFormat>> = {
  'application/json': 'json',
  'text/json': 'json',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/jsonl': 'lines',
  'application/x-jsonlines': 'lines',
  'text/csv': 'csv',
  'application/csv': 'csv',
};

/** @throws HttpError ERR_TFT_HTTP_BODY, 415, for a type that is none of these. */
export function formatOf(contentType: string | undefined): RowsFormat {
  const type = (contentType ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const format = FORMATS[type];
  if (format !== undefined) return format;
  throw refusal(
    'ERR_TFT_HTTP_BODY',
    `Content-Type '${type.slice(0, 60)}' is not read here; application/json, application/x-ndjson and text/csv are`,
    { status: 415 },
  );
}

/** The options in the URL. @throws HttpError ERR_TFT_HTTP_BODY. */
export function optionsOf(query: Readonly<Record<string, unknown>>): RowsOptions {
  const { servers, raw, allowSparse, repeatKnown, maxGapMinutes, ...rest } = query;
  const flag = (value: unknown) =>
    value === 'true' || value === '1' || value === '' ? true : value === 'false' ? false : value;
  const given = {
    ...rest,
    servers: typeof servers === 'string' ? servers.split(',') : servers,
    raw: flag(raw),
    allowSparse: flag(allowSparse),
    repeatKnown: flag(repeatKnown),
    maxGapMinutes:
      typeof maxGapMinutes === 'string' && maxGapMinutes !== '' ? Number(maxGapMinutes) : maxGapMinutes,
  };
  return checked(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
}

function checked(options: unknown): RowsOptions {
  const result = forecastOptions.safeParse(options);
  if (result.success) {
    const { at } = result.data;
    if (at === undefined || !Number.isNaN(timeOf(at))) return result.data;
    throw badBody(`at is not a time: '${at}'; write it like 2026-01-31T22:05Z`);
  }
  throw badBody(describeIssues(result.error), result.error);
}

export interface ReadRows {
  readonly history: FleetHistory;
  readonly windows: WindowsOptions;
  readonly raw: boolean;
}

/** The limits that a history of strangers' rows is kept within. */
export interface RowLimits {
  readonly maxServers: number;
  /** Counts the memory of the rows that are kept. */
  readonly holding: Holding;
}

/**
 * Reads rows, and yields to the event loop every few milliseconds.
 *
 * @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_HTTP_TOO_LARGE, ERR_TFT_HTTP_OVERLOADED; TFTError ERR_TFT_HISTORY_….
 */
export async function readForecastRows(
  body: Buffer,
  format: RowsFormat,
  model: ModelDescription,
  inUrl: RowsOptions,
  { maxServers, holding }: RowLimits,
): Promise<ReadRows> {
  if (body[0] === 0x1f && body[1] === 0x8b) {
    throw badBody('the body is packed with gzip; say so with the header Content-Encoding: gzip');
  }
  const { encoderLength, stepMinutes } = model;
  const longest = encoderLength * stepMinutes;
  const makeHistory = ({ at, maxGapMinutes, allowSparse, repeatKnown }: RowsOptions) => {
    if ((maxGapMinutes ?? 0) > longest)
      throw badBody(`maxGapMinutes: at most ${longest}, the length of a window`);
    return new FleetHistory(model, { until: at, maxGapMinutes, allowSparse, repeatKnown, maxServers });
  };
  // Options in a body may come after its rows; those that are needed to read the rows must then be in the URL.
  const history = makeHistory(inUrl);
  let counted = 0;
  const count = () => {
    holding.take((history.servers.length - counted) * history.bytesPerServer);
    counted = history.servers.length;
  };
  const take = (row: unknown, index: number) => history.add(unflattened(row, model), `rows[${index}]`);
  let options = inUrl;
  if (format === 'csv') await readCsvRows(body, model, history, count);
  else if (format === 'lines') await scanLines(body, take, count);
  else {
    const rest = checked(await scanRows(body, take, count));
    const late = (['maxGapMinutes', 'allowSparse', 'repeatKnown'] as const).find(
      (key) => rest[key] !== undefined,
    );
    if (late !== undefined)
      throw badBody(`${late} goes into the URL: /forecast?${late}=${String(rest[late])}`);
    options = { ...inUrl, ...rest };
  }
  count();
  return {
    history,
    windows: { at: options.at, servers: options.servers },
    raw: options.raw ?? false,
  };
}

async function readCsvRows(
  body: Buffer,
  model: ModelDescription,
  history: FleetHistory,
  pause: () => void,
): Promise<void> {
  const SLICE = 64 * 1024;
  async function* slices() {
    for (let at = 0; at < body.length; at += SLICE) {
      if (at > 0) {
        pause();
        await setImmediate();
      }
      yield body.subarray(at, at + SLICE);
    }
  }
  try {
    await readRows(Readable.from(slices()), history, model, { shown: 'the body' });
  } catch (error) {
    if (error instanceof TFTError && error.code === 'ERR_TFT_FILE') throw badBody(error.message, error);
    throw error;
  }
}
