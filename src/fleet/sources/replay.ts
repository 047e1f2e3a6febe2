// Plays a history file as if it happened now. Its times are the daemon's time, at any speed.
import { setTimeout as delay } from 'node:timers/promises';
import { TFTError } from '../../contract/errors.js';
import type { ColumnMap } from '../../history/column-map.js';
import { type ColumnPlan, planColumns } from '../../history/columns.js';
import { readCsv } from '../../history/csv.js';
import { numberReader } from '../../history/format.js';
import { parseTimestamp } from '../../history/timestamp.js';
import type { SourceStatus } from '../api.js';
import type { ReplayClock } from '../clock.js';
import type { Fleet } from '../fleet.js';
import { type FleetModel, stepOf } from '../memory/shape.js';
import { type Source, SourceLedger } from './source.js';

interface Row {
  readonly server: string;
  readonly time: number;
  readonly values: Float32Array;
  readonly categories: readonly (string | undefined)[];
}

/** A history file's rows in order of time. */
export interface Recording {
  readonly path: string;
  readonly rows: readonly Row[];
}

/** @throws TFTError ERR_TFT_FILE, ERR_TFT_HISTORY_EMPTY, ERR_TFT_HISTORY_COLUMN, ERR_TFT_HISTORY_VALUE. */
export async function readRecording(
  path: string,
  model: FleetModel,
  map?: ColumnMap | undefined,
): Promise<Recording> {
  const rows: Row[] = [];
  const names = new Map<string, string>();
  // Texts read from a file are slices of its chunks, and would keep the chunks in memory.
  const copy = (text: string | undefined) => {
    if (text === undefined) return undefined;
    const known = names.get(text) ?? Buffer.from(text).toString();
    names.set(known, known);
    return known;
  };
  const readNumber = numberReader({});
  let plan: ColumnPlan | undefined;
  await readCsv(path, {
    header(header) {
      plan = planColumns(header, model, map);
    },
    row(fields, line) {
      const { timestamp, server, numbers, metrics, categories } = plan as ColumnPlan;
      const time = parseTimestamp((fields[timestamp] as string).trim());
      const found = numbers.map(({ position }) => readNumber(fields[position] as string));
      if (Number.isNaN(time) || found.includes(undefined)) {
        throw new TFTError(
          'ERR_TFT_HISTORY_VALUE',
          `${path}, line ${line}: a time or a number cannot be read`,
        );
      }
      const values = Float64Array.from(found as number[]);
      rows.push({
        server: copy(server(fields)) as string,
        time,
        values: Float32Array.from(metrics, (read) => read(values)),
        categories: categories.map((read) => copy(read(fields))),
      });
    },
  });
  if (rows.length === 0) throw new TFTError('ERR_TFT_HISTORY_EMPTY', `${path} has no rows`);
  rows.sort((a, b) => a.time - b.time);
  return { path, rows };
}

export interface ReplayOptions {
  /** The speed, relative to the recording; 0 for as fast as possible. */
  readonly speed: number;
  /** The first part of the file, in milliseconds, that is played as fast as possible. */
  readonly aheadMs: number;
}

export class Replay implements Source {
  readonly #recording: Recording;
  readonly #fleet: Fleet;
  readonly #clock: ReplayClock;
  readonly #options: ReplayOptions;
  readonly #ledger: SourceLedger;
  readonly #ended = new AbortController();
  #playing: Promise<void> = Promise.resolve();
  #next = 0;

  constructor(recording: Recording, fleet: Fleet, clock: ReplayClock, options: ReplayOptions) {
    this.#recording = recording;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#options = options;
    this.#ledger = new SourceLedger(recording.path, 'replay');
  }

  get status(): SourceStatus {
    return { ...this.#ledger.status, lagSeconds: 0 };
  }

  /** Resolves when that first part has been played. */
  async start(): Promise<void> {
    const { rows } = this.#recording;
    const { stepMs, ring } = this.#fleet;
    const [first] = rows as [Row];
    const last = rows.at(-1) as Row;
    const least = ring.shape.window * stepMs;
    const until = Math.min(first.time + Math.max(this.#options.aheadMs, least), last.time);
    // No forecasts before the first window is full: all servers would be warming up.
    const full = Math.min(stepOf(first.time, stepMs) + ring.shape.window - 1, stepOf(until, stepMs));
    await this.#playSteps(stepOf(first.time, stepMs), full, 0, false);
    await this.#playSteps(full + 1, stepOf(until, stepMs), 0);
    this.#playing = this.#playSteps(
      stepOf(until, stepMs) + 1,
      stepOf(last.time, stepMs),
      this.#options.speed,
    );
    this.#playing.catch((error: unknown) => this.#ledger.failed(error));
  }

  /** Resolves when all is played. */
  get finished(): Promise<void> {
    return this.#playing;
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#playing.catch(() => {});
  }

  async #playSteps(from: number, to: number, speed: number, forecasts = true): Promise<void> {
    const { stepMs } = this.#fleet;
    let due = performance.now();
    for (let step = from; step <= to && !this.#ended.signal.aborted; step++) {
      if (speed > 0) {
        due += stepMs / speed;
        const wait = due - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal: this.#ended.signal }).catch(() => {});
        // A replay that falls behind continues from its present position.
        else due = performance.now();
      }
      if (this.#ended.signal.aborted) return;
      this.#bringStep(step);
      this.#clock.set(this.#fleet.closesAt(step));
      await this.#fleet.advance(forecasts);
    }
  }

  #bringStep(step: number): void {
    const { rows } = this.#recording;
    const { intake, stepMs } = this.#fleet;
    const begin = this.#next;
    for (let row = rows[this.#next]; row !== undefined && stepOf(row.time, stepMs) <= step; ) {
      this.#clock.set(row.time);
      intake.take({ ...row, isRecord: true });
      row = rows[++this.#next];
    }
    this.#ledger.succeeded(this.#next - begin, undefined);
  }
}
