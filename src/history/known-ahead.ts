// What is known ahead: categories and metrics that rows of the steps ahead carry, the calendar, and counts of steps.
import type { ForecastInputs } from '../contract/inputs.js';
import { calendarFeature, type StepGrid } from './calendar.js';
import type { HistoryModel } from './windows.js';

/** The part of a row that is known ahead. */
interface AheadRow {
  readonly codes: Int32Array;
  readonly metrics: Float64Array;
}

/** Keeps each server's rows of the steps ahead, and writes what a window knows of its horizon. */
export class KnownAhead {
  readonly #model: HistoryModel;
  readonly #grid: StepGrid;
  readonly #most: number;
  /** The channels of categories, and of metrics, that only rows can tell. */
  readonly #categories: readonly number[];
  /** The channels of categories that rows may tell, but need not. */
  readonly #optional: readonly number[];
  readonly #given: readonly number[];
  readonly #measured: readonly number[];
  readonly #rows = new Map<string, Map<number, AheadRow>>();

  constructor(model: HistoryModel, maxGap: number, grid: StepGrid) {
    this.#model = model;
    this.#grid = grid;
    // As far back as a window can reach.
    this.#most = 2 * (model.encoderLength + maxGap + model.horizon);
    const channels = [...model.metrics.keys()];
    this.#categories = [...model.categories.keys()].filter((at) => model.categories[at]?.role === 'known');
    const readAhead = new Set(model.readAhead);
    this.#optional = [...model.categories.keys()].filter((at) =>
      readAhead.has(model.categories[at]?.name ?? ''),
    );
    this.#given = channels.filter((at) => model.metrics[at]?.ahead === 'given');
    this.#measured = channels.filter((at) => model.metrics[at]?.ahead === undefined);
  }

  /** Whether rows have to tell anything ahead. */
  get #isRequired(): boolean {
    return this.#categories.length + this.#given.length > 0;
  }

  /** Whether rows can tell anything ahead. */
  get fromRows(): boolean {
    return this.#isRequired || this.#optional.length > 0;
  }

  /** Whether a row has nothing measured: it is of the future, and not what now is found by. */
  isOfFuture(metrics: ArrayLike<number>): boolean {
    return this.#measured.every((at) => Number.isNaN(metrics[at]));
  }

  keep(server: string, step: number, metrics: ArrayLike<number>, codes: Int32Array): void {
    let steps = this.#rows.get(server);
    if (steps === undefined) {
      steps = new Map();
      this.#rows.set(Buffer.from(server).toString(), steps);
    }
    steps.set(step, { codes: codes.slice(), metrics: Float64Array.from(metrics) });
    if (steps.size <= this.#most) return;
    const oldest = [...steps.keys()].sort((a, b) => a - b).slice(0, steps.size - this.#most / 2);
    for (const old of oldest) steps.delete(old);
  }

  forget(server: string): void {
    this.#rows.delete(server);
  }

  /** Why not all that must be known for the steps after `end` is known; undefined if it is. */
  unknown(server: string, end: number): string | undefined {
    if (!this.#isRequired) return undefined;
    const { horizon, categories, metrics } = this.#model;
    let missing = 0;
    for (let step = end + 1; step <= end + horizon; step++) {
      const row = this.#row(server, step);
      if (row === undefined || this.#given.some((at) => !Number.isFinite(row.metrics[at]))) missing++;
    }
    if (missing === 0) return undefined;
    const names = [
      ...this.#categories.map((at) => categories[at]?.name),
      ...this.#given.map((at) => metrics[at]?.name),
    ].join(', ');
    return (
      `${names} must be known for the ${horizon} steps ahead, and ${missing} of them have no row: add rows with the time and ` +
      `${names} and empty metrics, or let repeatKnown take the last value`
    );
  }

  /** Whether rows tell all that they can for the steps after `end`. */
  isTold(server: string, end: number): boolean {
    for (let step = end + 1; step <= end + this.#model.horizon; step++) {
      if (this.#row(server, step) === undefined) return false;
    }
    return true;
  }

  /**
   * Writes what the steps after `end` are known to be. The last `steps` of the encoder's arrays are there already.
   */
  write(server: string | undefined, end: number, steps: number, inputs: ForecastInputs): void {
    this.#completeEncoder(end, steps, inputs);
    const { horizon, known, categories } = this.#model;
    const width = categories.length;
    const last = inputs.encoderCat.subarray(-width);
    for (let step = 0; step < horizon; step++) {
      const row = server === undefined ? undefined : this.#row(server, end + 1 + step);
      inputs.decoderCat.set(last, step * width);
      for (const at of row === undefined ? [] : [...this.#categories, ...this.#optional]) {
        inputs.decoderCat[step * width + at] = row?.codes[at] as number;
      }
      const date = new Date(this.#grid.timeOf(end + 1 + step));
      for (const [at, name] of known.entries()) {
        inputs.decoderCont[step * known.length + at] = this.#value(name, step, date, row, inputs);
      }
    }
  }

  #value(
    name: string,
    step: number,
    date: Date,
    row: AheadRow | undefined,
    { encoderCont }: ForecastInputs,
  ): number {
    const { metrics } = this.#model;
    const channel = metrics.findIndex((metric) => metric.name === name && metric.ahead !== undefined);
    const how = metrics[channel]?.ahead ?? 'calendar';
    if (how === 'calendar') return calendarFeature(name)?.(date) ?? 0;
    const last = encoderCont[encoderCont.length - metrics.length + channel] as number;
    if (how === 'count') return last + 1 + step;
    const given = row?.metrics[channel];
    return given !== undefined && Number.isFinite(given) ? given : last;
  }

  /** In the encoder, counts go on over filled steps, and the calendar is what it was. */
  #completeEncoder(end: number, steps: number, { encoderCont }: ForecastInputs): void {
    const { metrics, encoderLength } = this.#model;
    const first = encoderLength - steps;
    for (const [channel, { name, ahead }] of metrics.entries()) {
      const at = (step: number) => step * metrics.length + channel;
      if (ahead === 'calendar') {
        const feature = calendarFeature(name);
        for (let step = first; feature !== undefined && step < encoderLength; step++) {
          encoderCont[at(step)] = feature(new Date(this.#grid.timeOf(end - encoderLength + 1 + step)));
        }
      } else if (ahead === 'count') {
        for (let step = first + 1; step < encoderLength; step++) {
          const before = encoderCont[at(step - 1)] as number;
          if ((encoderCont[at(step)] as number) <= before) encoderCont[at(step)] = before + 1;
        }
      }
    }
  }

  #row(server: string, step: number): AheadRow | undefined {
    return this.#rows.get(server)?.get(step);
  }
}
