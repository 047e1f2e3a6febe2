// Plans how the model's inputs are read from a file's rows: once, from the header and the column map if there is one. The
// plan is then applied to every row.
import { TFTError } from '../contract/errors.js';
import { calendarFeature } from './calendar.js';
import { SERVER_CATEGORY } from './category-codes.js';
import type { CategoryRule, ColumnMap, MetricRule } from './column-map.js';
import type { HistoryModel } from './windows.js';

/** Reads a category of a row; undefined if the file does not have it. */
type CategoryReader = (fields: readonly string[]) => string | undefined;
/** Computes a metric from the numeric columns; NaN if one that it needs is empty. */
type MetricReader = (numbers: Float64Array) => number;

/** A column of a feature that follows from the time stamp. */
export interface CalendarColumn {
  readonly position: number;
  readonly name: string;
  readonly feature: (date: Date) => number;
  /** Rows in which it is not that of the time stamp in UTC, and the line of the first. */
  readonly others: { count: number; line: number };
}

/** How to read a row. */
export interface ColumnPlan {
  readonly timestamp: number;
  /** The name of a row's server. */
  readonly server: (fields: readonly string[]) => string;
  /** The columns to read as numbers, with position and name. The readers see them in this order. */
  readonly numbers: readonly { readonly position: number; readonly name: string }[];
  /** In the model's order, followed by its static numbers. */
  readonly metrics: readonly MetricReader[];
  /** In the model's order. */
  readonly categories: readonly CategoryReader[];
  /** Categories of the model without a column in the file. */
  readonly absent: readonly string[];
  /** Columns of the calendar's features: not read, but compared with the time stamps. */
  readonly calendar: readonly CalendarColumn[];
  /** For each metric that the map clips, the number of values changed so far. */
  readonly clipped: ReadonlyMap<string, { count: number }>;
}

/** What joins the columns that name a series to one name. */
const SERIES_JOINT = '/';
const CATEGORY_COLUMNS = ['profile', 'status'];

/**
 * Plans the reading of a file with these columns.
 *
 * Without a map every column must be one that the model reads. With a map, other columns are ignored.
 *
 * @throws TFTError ERR_TFT_HISTORY_COLUMN naming the column that is missing, unknown or duplicated.
 */
export function planColumns(
  header: readonly string[],
  model: HistoryModel,
  map?: ColumnMap | undefined,
): ColumnPlan {
  const planner = new Planner(header);
  const plan: ColumnPlan = {
    timestamp: planner.position(map?.timestamp ?? 'timestamp', 'the time of a row'),
    server: planner.server(map?.server_name, model.series ?? []),
    metrics: [
      ...model.metrics.map(({ name, ahead }) =>
        ahead === 'calendar' ? () => 0 : planner.metric(name, map?.metrics[name], map !== undefined),
      ),
      ...(model.statics ?? []).map(({ name }) => planner.metric(name, map?.metrics[name], map !== undefined)),
    ],
    categories: model.categories.map(({ name }) =>
      planner.category(
        name,
        name === 'profile' || name === 'status' ? map?.[name] : undefined,
        model.series?.length === 1 && model.series[0] === name,
      ),
    ),
    numbers: planner.numbers,
    absent: planner.absent,
    calendar: map === undefined ? calendarColumns(header, model) : [],
    clipped: planner.clipped,
  };
  planner.refuseMissing();
  if (map === undefined) {
    planner.refuseUnknown([
      'timestamp',
      'server_name',
      ...CATEGORY_COLUMNS,
      ...model.categories.map((category) => category.name),
      ...model.metrics.map((metric) => metric.name),
      ...model.known,
      ...(model.statics ?? []).map(({ name }) => name),
      ...(model.series ?? []),
    ]);
  }
  return plan;
}

function calendarColumns(header: readonly string[], { known, metrics }: HistoryModel): CalendarColumn[] {
  return known.flatMap((name) => {
    const position = header.indexOf(name);
    const feature = calendarFeature(name);
    const how = metrics.find((metric) => metric.name === name)?.ahead ?? 'calendar';
    if (position < 0 || feature === undefined || how !== 'calendar') return [];
    return [{ position, name, feature, others: { count: 0, line: 0 } }];
  });
}

class Planner {
  readonly numbers: { position: number; name: string }[] = [];
  readonly absent: string[] = [];
  readonly clipped = new Map<string, { count: number }>();
  readonly #header: readonly string[];
  readonly #missing: string[] = [];

  constructor(header: readonly string[]) {
    this.#header = header;
    // Columns without a name are ignored: pandas writes one for an index, spreadsheets for a comma at the end of each line.
    const twice = header.find((name, index) => name !== '' && header.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new TFTError('ERR_TFT_HISTORY_COLUMN', `two columns are called '${twice}'`, {
        details: { column: twice },
      });
    }
  }

  /** Names of columns come without blanks around them; a model's own may have some. */
  #placeOf(name: string): number {
    return this.#header.indexOf(name.trim());
  }

  position(name: string, purpose: string): number {
    const position = this.#placeOf(name);
    if (position < 0) this.#missing.push(`'${name}' (${purpose})`);
    return position;
  }

  metric(name: string, rule: MetricRule | undefined, mapped: boolean): MetricReader {
    if (rule === undefined) {
      const index = this.#number(name, mapped ? 'the map does not say how to derive it' : 'a metric');
      return (numbers) => numbers[index] as number;
    }
    if (rule.clip === undefined) return this.#rule(name, rule);
    const changes = { count: 0 };
    this.clipped.set(name, changes);
    return clipped(this.#rule(name, rule), rule.clip, changes);
  }

  /** A column, or those that name a series together, joined. */
  server(column: string | undefined, series: readonly string[]): (fields: readonly string[]) => string {
    const places = series.map((name) => this.#placeOf(name));
    const joined = column === undefined && series.length > 0 && !this.#header.includes('server_name');
    if (joined && places.every((place) => place >= 0)) {
      return (fields) => places.map((place) => (fields[place] as string).trim()).join(SERIES_JOINT);
    }
    const position = this.position(column ?? 'server_name', 'the server of a row');
    return (fields) => (fields[position] as string).trim();
  }

  /** @param isSeries whether it is what names a series, which a file without its column has as server_name. */
  category(name: string, rule: CategoryRule | undefined, isSeries = false): CategoryReader {
    if (rule?.constant !== undefined) {
      const { constant } = rule;
      return () => constant;
    }
    const position =
      rule?.column === undefined ? this.#placeOf(name) : this.position(rule.column, `for ${name}`);
    if (position < 0 && isSeries) {
      const server = this.#header.indexOf('server_name');
      if (server >= 0) return (fields) => (fields[server] as string).trim();
    }
    if (position < 0) {
      if (name !== SERVER_CATEGORY) this.absent.push(name);
      return () => undefined;
    }
    const values = new Map(Object.entries(rule?.values ?? {}));
    if (values.size === 0) return (fields) => (fields[position] as string).trim();
    return (fields) => {
      const value = (fields[position] as string).trim();
      return values.get(value) ?? value;
    };
  }

  refuseMissing(): void {
    if (this.#missing.length === 0) return;
    const plural = this.#missing.length > 1;
    throw new TFTError(
      'ERR_TFT_HISTORY_COLUMN',
      `${plural ? 'columns are' : 'a column is'} missing: ${some(this.#missing)}; the file has ` +
        `${quoted(this.#header)}${this.#separatorHint()}; a column map (--map) says how other columns become the model's`,
      { details: { missing: this.#missing, found: this.#header } },
    );
  }

  refuseUnknown(known: readonly string[]): void {
    const read = new Set(known.map((name) => name.trim()));
    const unknown = this.#header.filter((name) => name !== '' && !read.has(name));
    if (unknown.length === 0) return;
    throw new TFTError(
      'ERR_TFT_HISTORY_COLUMN',
      `unknown column${unknown.length > 1 ? 's' : ''} ${quoted(unknown)}; ` +
        'remove them, or use a column map: columns that it does not name are ignored',
      { details: { unknown, known } },
    );
  }

  #rule(name: string, rule: MetricRule): MetricReader {
    if (rule.constant !== undefined) {
      const { constant } = rule;
      return () => constant;
    }
    if (rule.column !== undefined) {
      const index = this.#number(rule.column, `for ${name}`);
      const scale = rule.scale ?? 1;
      return (numbers) => (numbers[index] as number) * scale;
    }
    const terms = (rule.sum ?? []).map(([factor, ...columns]) => ({
      factor,
      indices: columns.map((source) => this.#number(source, `for ${name}`)),
    }));
    return (numbers) => {
      let total = 0;
      for (const { factor, indices } of terms) {
        let product = factor;
        for (const index of indices) product *= numbers[index] as number;
        total += product;
      }
      return total;
    };
  }

  /** The index at which the readers find a column's number. */
  #number(name: string, purpose: string): number {
    const known = this.numbers.findIndex((source) => source.name === name);
    if (known >= 0) return known;
    return this.numbers.push({ position: this.position(name, purpose), name }) - 1;
  }

  /** A hint for a header of one long name that contains other separators. */
  #separatorHint(): string {
    const only = this.#header.length === 1 ? (this.#header[0] as string) : '';
    return /[;\t|]/.test(only) ? '; columns must be separated by commas, or by the option separator' : '';
  }
}

function clipped(
  read: MetricReader,
  clip: NonNullable<MetricRule['clip']>,
  changes: { count: number },
): MetricReader {
  const low = clip[0] ?? Number.NEGATIVE_INFINITY;
  const high = clip[1] ?? Number.POSITIVE_INFINITY;
  // The NaN of an empty column passes through both.
  return (numbers) => {
    const value = read(numbers);
    const within = Math.min(Math.max(value, low), high);
    if (within !== value && !Number.isNaN(value)) changes.count++;
    return within;
  };
}

/** Enough to see what kind of columns it is about; the error's details have all. */
const SHOWN_NAMES = 6;

function some(items: readonly string[]): string {
  const more = items.length - SHOWN_NAMES;
  return items.slice(0, SHOWN_NAMES).join(', ') + (more > 0 ? `, and ${more} more` : '');
}

function quoted(names: readonly string[]): string {
  return some(names.map((name) => `'${name.length > 60 ? `${name.slice(0, 60)}…` : name}'`));
}
