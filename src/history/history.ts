// FleetHistory: collects rows of a fleet's metrics, in any order, and makes the model's four input arrays of them for every
// server, with a report of what was filled or left out.

import { TFTError } from '../contract/errors.js';
import { emptyInputs, encoderLengthsOf, type ForecastInputs, sliceInputs } from '../contract/inputs.js';
import { StepGrid } from './calendar.js';
import { CategoryCodes } from './category-codes.js';
import { Expiry } from './expiry.js';
import { KnownAhead } from './known-ahead.js';
import { HistoryReport } from './report.js';
import { badValue, type CheckedRow, type HistoryRow, isFloat32, RowCheck, timeOf } from './row.js';
import { bytesOf, type Coverage, type SeriesShape, ServerSeries } from './server-series.js';
import { describeShortfall } from './shortfall.js';
import { formatTimestamp } from './timestamp.js';
import type {
  FilledGap,
  FleetWindows,
  HistoryModel,
  HistoryWarning,
  RefusedServer,
  ServerWindow,
} from './windows.js';

/** Options of {@link FleetHistory}. */
export interface FleetHistoryOptions {
  /** Gaps of up to this many minutes are filled with the row before them; 60 by default. */
  maxGapMinutes?: number | undefined;
  /**
   * Servers are forecast also when most of their window is filled: rows that come less often than every third step. What
   * such a forecast is worth is for the caller to know.
   */
  allowSparse?: boolean | undefined;
  /**
   * What is known ahead takes its last value for the steps ahead where the history has no rows for those.
   * Without it such servers are refused.
   */
  repeatKnown?: boolean | undefined;
  /**
   * Servers whose newest row is this many minutes older than the newest of all are dropped, such as those of pods that no
   * longer exist. Without it every server is kept for ever.
   */
  expireAfterMinutes?: number | undefined;
  /** A row of one server more than this is refused with ERR_TFT_HISTORY_LIMIT: for rows from strangers. */
  maxServers?: number | undefined;
  /** Rows after this time are left out: a forecast as it would have been made then. */
  until?: Date | number | string | undefined;
  /**
   * Called with each complete window as soon as no later row can belong to its last step, and by `finish` with the last
   * window of each server; `make` copies the window. Rows must be in order of time within each server.
   */
  onWindow?: ((make: () => ForecastInputs) => void) | undefined;
  /**
   * Called with each step that has a row, as soon as no later row can belong to it, and by `finish` with the last of each
   * server: for replaying a history. An older row after that is refused with ERR_TFT_HISTORY_ORDER.
   */
  onStep?: ((step: HistoryStep) => void) | undefined;
}

/** One step of one server, as a replay meets it. */
export interface HistoryStep {
  readonly server: string;
  /** Milliseconds since 1970, on the model's grid. */
  readonly time: number;
  /** In the model's order; the mean of rows that share the step. */
  readonly metrics: Float32Array;
  /** Copies the window that ends with this step; undefined where it is not complete or mostly filled. */
  readonly window: (() => ForecastInputs) | undefined;
}

/** Options of {@link FleetHistory.windows}. */
export interface WindowsOptions {
  /** The time from which all servers are forecast. Without it each server is forecast from its newest row. */
  at?: Date | number | string | undefined;
  /** Only these servers. */
  servers?: readonly string[] | undefined;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** The largest mean distance of rows, in steps, before their forecast is refused. */
const MAX_STEPS_APART = 3;
const byName = new Intl.Collator('en', { numeric: true });

/**
 * Collects the rows of a fleet and makes the model's inputs of them.
 *
 * Rows may come in any order and of any number of servers. Each is put on the model's grid (multiples of
 * `stepMinutes` in UTC, the nearest one; weeks begin on the first row's day of the week). Of rows that share a step the metrics are averaged and the latest's categories
 * count; of two with the very same time the one added last. Only the steps that a window can still use are held: about 21 kB a server for the
 * default model, however long the history.
 */
export class FleetHistory {
  readonly #model: HistoryModel;
  readonly #grid: StepGrid;
  readonly #shape: SeriesShape;
  readonly #until: number;
  readonly #servers = new Map<string, ServerSeries>();
  readonly #rowCheck: RowCheck;
  readonly #expiry: Expiry | undefined;
  readonly #categories: CategoryCodes;
  readonly #codes: Int32Array;
  readonly #report: HistoryReport;
  readonly #onWindow: FleetHistoryOptions['onWindow'];
  readonly #onStep: FleetHistoryOptions['onStep'];
  readonly #maxServers: number;
  readonly #allowSparse: boolean;
  readonly #repeatKnown: boolean;
  readonly #knownAhead: KnownAhead;
  /** The names of all numbers of a row: metrics, then static ones. */
  readonly #numbers: readonly string[];
  readonly #notes: HistoryWarning[] = [];
  /** By server, the newest row that is ahead of this machine's clock. */
  readonly #ahead = new Map<string, { time: number; line: number | undefined }>();
  readonly #clock = Date.now() + DAY;
  #rows = 0;

  /** @throws TFTError ERR_TFT_OPTION. */
  constructor(model: HistoryModel, options: FleetHistoryOptions = {}) {
    const { maxGapMinutes = 60, until, onWindow, onStep, allowSparse = false, repeatKnown = false } = options;
    const { expireAfterMinutes, maxServers = Number.POSITIVE_INFINITY } = options;
    if (!Number.isFinite(maxGapMinutes) || maxGapMinutes < 0) {
      throw new TFTError('ERR_TFT_OPTION', `maxGapMinutes must be 0 or more, not ${String(maxGapMinutes)}`);
    }
    if (expireAfterMinutes !== undefined && !(expireAfterMinutes > 0)) {
      throw new TFTError(
        'ERR_TFT_OPTION',
        `expireAfterMinutes must be above 0, not ${String(expireAfterMinutes)}`,
      );
    }
    this.#model = model;
    this.#grid = new StepGrid(model);
    this.#shape = {
      window: model.encoderLength,
      shortest: model.minEncoderLength ?? model.encoderLength,
      maxGap: Math.floor(maxGapMinutes / model.stepMinutes),
      metrics: model.metrics.length + (model.statics?.length ?? 0),
      categories: model.categories.length,
    };
    this.#numbers = [...model.metrics, ...(model.statics ?? [])].map(({ name }) => name);
    this.#until = until === undefined ? Number.POSITIVE_INFINITY : timeOption('until', until);
    this.#rowCheck = new RowCheck(model);
    this.#categories = new CategoryCodes(model.categories);
    this.#codes = new Int32Array(model.categories.length);
    this.#report = new HistoryReport(model.stepMinutes);
    this.#onWindow = onWindow;
    if (expireAfterMinutes !== undefined)
      this.#expiry = new Expiry(expireAfterMinutes * MINUTE, model.stepMinutes * MINUTE);
    this.#onStep = onStep;
    this.#maxServers = maxServers;
    this.#allowSparse = allowSparse;
    this.#repeatKnown = repeatKnown;
    this.#knownAhead = new KnownAhead(model, this.#shape.maxGap, this.#grid);
  }

  /** How many rows were added. */
  get rows(): number {
    return this.#rows;
  }

  /** The memory that a server's rows take, in bytes. */
  get bytesPerServer(): number {
    return bytesOf(this.#shape);
  }

  /** The servers seen, in no particular order. */
  get servers(): readonly string[] {
    return [...this.#servers.keys()];
  }

  /**
   * Adds one row.
   *
   * @param where what messages call the row, before its server and time.
   * @throws TFTError ERR_TFT_HISTORY_COLUMN or ERR_TFT_HISTORY_VALUE, naming the row and column; ERR_TFT_HISTORY_LIMIT.
   */
  add(row: HistoryRow, where = `row ${this.#rows + 1}`): void {
    this.#take(this.#rowCheck.check(row, where));
  }

  /**
   * Adds all rows, or none: if one is invalid nothing of them is added.
   *
   * @throws TFTError ERR_TFT_HISTORY_COLUMN or ERR_TFT_HISTORY_VALUE, naming the row by its index from 0, its server and its
   *   time; `details.index` is the index.
   */
  addAll(rows: Iterable<HistoryRow>): void {
    const checked: CheckedRow[] = [];
    for (const row of rows) {
      try {
        checked.push(this.#rowCheck.check(row, `rows[${checked.length}]`));
      } catch (error) {
        if (!(error instanceof TFTError)) throw error;
        const details = { ...error.details, index: checked.length };
        throw new TFTError(error.code, error.message, { cause: error, details });
      }
    }
    for (const row of checked) this.#take(row);
  }

  /** The step of the model's grid that a time belongs to; NaN for what is no time. */
  stepOf(time: Date | number | string): number {
    return this.#grid.stepOf(timeOf(time));
  }

  /** Forgets all rows of a server. @returns whether there were any. */
  forget(server: string): boolean {
    this.#ahead.delete(server);
    this.#knownAhead.forget(server);
    this.#expiry?.forget(server);
    return this.#servers.delete(server);
  }

  #take({ server, time, metrics, categories }: CheckedRow): void {
    this.record(server, time, metrics, categories);
  }

  /**
   * Adds one row without making an object for it. Readers of long files use this.
   *
   * @param time milliseconds since 1970.
   * @param metrics in the model's order, followed by its static numbers; NaN where nothing was measured. Copied.
   * @param categories in the model's order; undefined or '' where unknown.
   * @param line its line in the file, for messages.
   * @throws TFTError ERR_TFT_HISTORY_VALUE for a time that is none or a value that no float32 holds.
   */
  record(
    server: string,
    time: number,
    metrics: ArrayLike<number>,
    categories: readonly (string | undefined)[],
    line?: number,
  ): void {
    this.#rows++;
    if (!Number.isFinite(time)) throw badValue(`row ${this.#rows}`, 'timestamp', time, 'a time');
    this.#grid.see(time);
    // Done before the time is checked, so that a server whose rows are all later is refused by name.
    const series = this.#series(server);
    const { fromRows } = this.#knownAhead;
    if (fromRows) {
      this.#categories.write(this.#codes, server, categories);
      this.#knownAhead.keep(server, this.#grid.stepOf(time), metrics, this.#codes);
      if (this.#knownAhead.isOfFuture(metrics)) return;
    }
    if (time > this.#until) return;
    for (const gone of this.#expiry?.see(server, time) ?? []) this.forget(gone);
    if (time > this.#clock && !(time < (this.#ahead.get(server)?.time ?? 0)))
      this.#ahead.set(server, { time, line });
    for (let index = 0; index < this.#shape.metrics; index++) {
      const value = metrics[index] as number;
      if (isFloat32(value)) continue;
      const name = this.#numbers[index] as string;
      if (!Number.isNaN(value)) throw badValue(`row ${this.#rows}`, name, value, 'a finite 32-bit number');
      this.#report.incomplete(server, time, name);
      return;
    }
    // Once for each row: it counts what is unknown.
    if (!fromRows) this.#categories.write(this.#codes, server, categories);
    const step = this.#grid.stepOf(time);
    if (step > series.newest) this.#emit(server, series);
    else if (this.#onStep && step < series.newest)
      throw outOfOrder(server, time, this.#grid.timeOf(series.newest));
    const fate = series.add(step, time, metrics, this.#codes);
    if (fate !== 'kept') this.#report.count(fate, server, time);
  }

  /** Something that a reader of rows has to tell, beside what is seen here. */
  note(warning: HistoryWarning): void {
    this.#notes.push(warning);
  }

  /** Ends the rows: each server's last window is passed to `onWindow`. */
  finish(): void {
    for (const [server, series] of this.#servers) this.#emit(server, series);
  }

  /**
   * Makes every server's window: the model's encoder length up to 'now', and the calendar of the horizon.
   *
   * A server whose history is too short is listed as refused and does not affect the others.
   *
   * @throws TFTError ERR_TFT_HISTORY_EMPTY if there are no rows at all; ERR_TFT_OPTION for an invalid `at`.
   */
  windows(options: WindowsOptions = {}): FleetWindows {
    if (this.#rows === 0 && options.servers === undefined) {
      throw new TFTError('ERR_TFT_HISTORY_EMPTY', 'there are no rows to forecast from');
    }
    const at = options.at === undefined ? undefined : timeOption('at', options.at);
    const refused: RefusedServer[] = [];
    const complete: {
      server: string;
      series: ServerSeries;
      end: number;
      steps: number;
      filled: FilledGap[];
    }[] = [];
    for (const server of this.#selected(options.servers)) {
      const series = this.#servers.get(server);
      if (series === undefined) {
        refused.push({ server, code: 'ERR_TFT_HISTORY_EMPTY', message: 'there are no rows of this server' });
        continue;
      }
      const end = at === undefined ? series.newest : this.#grid.stepOf(at);
      const coverage: Coverage = Number.isFinite(end) ? series.coverage(end) : { kind: 'none' };
      const asks = coverage.kind === 'complete' && !this.#repeatKnown;
      const unknownAhead = asks ? this.#knownAhead.unknown(server, end) : undefined;
      const sparse = coverage.kind === 'complete' ? this.#sparseness(coverage) : undefined;
      if (coverage.kind === 'complete' && sparse === undefined && unknownAhead !== undefined) {
        refused.push({ server, code: 'ERR_TFT_HISTORY_SHORT', message: unknownAhead });
      } else if (coverage.kind === 'complete' && sparse === undefined) {
        const filled = coverage.gaps.map(({ first, steps }) => ({ from: this.#date(first), steps }));
        complete.push({ server, series, end, steps: coverage.steps, filled });
      } else if (coverage.kind === 'complete') {
        refused.push({ server, code: 'ERR_TFT_HISTORY_SHORT', message: sparse as string });
      } else {
        const shortfall = describeShortfall(coverage, end, this.#shape, this.#grid, this.#until);
        refused.push({ server, ...shortfall, message: `${shortfall.message}${this.#aheadHint(server)}` });
      }
    }

    const packed = emptyInputs(this.#model, complete.length);
    const servers = complete.map(({ server, series, end, steps, filled }, index): ServerWindow => {
      const inputs = sliceInputs(packed, this.#model, index, index + 1);
      this.#write(series, end, steps, inputs, server);
      return { server, start: this.#date(end + 1), inputs, filled, steps };
    });
    const warnings = this.#report.warnings({
      servers,
      metrics: this.#model.metrics,
      target: this.#model.target,
      categories: this.#model.categories,
      readAhead: this.#model.readAhead ?? [],
      repeating: complete.filter(({ server, end }) => !this.#knownAhead.isTold(server, end)).length,
      repeatsKnown: this.#repeatKnown,
      encoderLength: this.#model.encoderLength,
      maxGap: this.#shape.maxGap,
      unknownCategories: this.#categories.unknown,
    });
    return { servers, packed, refused, warnings: [...this.#notes, ...warnings] };
  }

  /** Why a window is more filled than measured; undefined where it is not. */
  #sparseness({ gaps, steps: all }: Extract<Coverage, { kind: 'complete' }>): string | undefined {
    const measured = all - gaps.reduce((sum, { steps }) => sum + steps, 0);
    if (this.#allowSparse || measured * MAX_STEPS_APART >= all) return undefined;
    return (
      `has a row for ${measured} of ${all} steps of ${this.#model.stepMinutes} minutes; rows that come less often than ` +
      `every ${MAX_STEPS_APART} steps are not what the model was trained on. allowSparse forecasts anyway`
    );
  }

  /** A wrong clock puts a row decades ahead, and the time between looks like a gap. */
  #aheadHint(server: string): string {
    const ahead = this.#ahead.get(server);
    if (ahead === undefined) return '';
    const days = (ahead.time - Date.now()) / DAY;
    const lead = days > 730 ? `${Math.round(days / 365.25)} years` : `${Math.round(days)} days`;
    const where = ahead.line === undefined ? '' : ` (line ${ahead.line.toLocaleString('en')})`;
    return (
      `; its newest row${where} has the time ${formatTimestamp(ahead.time)}, ${lead} ahead of this machine's clock: ` +
      'leave it out, or say with at what now is'
    );
  }

  /** Writes the window that ends at a step, of which the last `steps` must be there. */
  #write(series: ServerSeries, end: number, steps: number, inputs: ForecastInputs, server?: string): void {
    this.#copy(series, end, steps, inputs);
    encoderLengthsOf(inputs)?.fill(steps);
    this.#knownAhead.write(server, end, steps, inputs);
  }

  /** Copies the encoder's arrays. Of static numbers, the newest row's count. */
  #copy(series: ServerSeries, end: number, steps: number, inputs: ForecastInputs): void {
    const { metrics: width, window } = this.#shape;
    const statics = this.#model.statics?.length ?? 0;
    if (statics === 0) {
      series.copy(end, steps, inputs.encoderCont, inputs.encoderCat);
      return;
    }
    const rows = new Float32Array(window * width);
    series.copy(end, steps, rows, inputs.encoderCat);
    const own = width - statics;
    for (let step = 0; step < window; step++) {
      inputs.encoderCont.set(rows.subarray(step * width, step * width + own), step * own);
    }
    const staticCont = (inputs as ForecastInputs & { staticCont?: Float32Array }).staticCont;
    staticCont?.set(rows.subarray(window * width - statics));
  }

  /** Reports a server's newest step, which no later row can change. */
  #emit(server: string, series: ServerSeries): void {
    if (this.#onWindow === undefined && this.#onStep === undefined) return;
    const end = series.newest;
    if (!Number.isFinite(end)) return;
    const coverage = series.coverage(end);
    const make = () => {
      const inputs = emptyInputs(this.#model, 1);
      this.#write(series, end, this.#shape.window, inputs);
      return inputs;
    };
    // What calibrates and judges a model are whole windows.
    const whole = coverage.kind === 'complete' && coverage.steps === this.#shape.window;
    if (whole) this.#onWindow?.(make);
    const usable = whole && this.#sparseness(coverage) === undefined;
    this.#onStep?.({
      server,
      time: this.#grid.timeOf(end),
      metrics: series.newestMetrics(),
      window: usable ? make : undefined,
    });
  }

  #series(server: string): ServerSeries {
    let series = this.#servers.get(server);
    if (series === undefined) {
      if (this.#servers.size >= this.#maxServers) {
        throw new TFTError(
          'ERR_TFT_HISTORY_LIMIT',
          `there are rows of more than ${this.#maxServers} servers, the largest number that is taken at once`,
          { details: { expected: this.#maxServers } },
        );
      }
      series = new ServerSeries(this.#shape);
      // Copied, because a name that is a slice of a file's text would keep that whole chunk of text in memory.
      this.#servers.set(Buffer.from(server).toString(), series);
    }
    return series;
  }

  #selected(names: readonly string[] | undefined): string[] {
    const servers = names === undefined ? [...this.#servers.keys()] : [...new Set(names)];
    return servers.sort((a, b) => byName.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0));
  }

  #date(step: number): Date {
    return new Date(this.#grid.timeOf(step));
  }
}

function timeOption(name: string, time: Date | number | string): number {
  const value = timeOf(time);
  if (!Number.isNaN(value)) return value;
  throw new TFTError(
    'ERR_TFT_OPTION',
    `${name} is not a time: '${String(time)}'; write it like 2026-01-31T22:05Z`,
  );
}

function outOfOrder(server: string, time: number, newest: number): TFTError {
  return new TFTError(
    'ERR_TFT_HISTORY_ORDER',
    `${server} has a row of ${formatTimestamp(time)} after one of ${formatTimestamp(newest)}: a replay needs each server's ` +
      'rows in the order of time; sort the file by its time stamps',
  );
}
