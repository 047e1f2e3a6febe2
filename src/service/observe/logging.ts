// The service's log: one line of JSON for each event, on standard output, at a limited rate.
import pino from 'pino';
import type { HttpError } from '../http/http-error.js';
import { LogOutput } from './log-output.js';

export type ServiceLog = pino.Logger;

const STANDARD_OUTPUT = 1;
/** The number of refusals of one code that are logged each second; the others are counted. */
const LINES_A_SECOND = 5;

/** The number of lines that each log could not write. */
const dropped = new WeakMap<ServiceLog, () => number>();

/** @param destination standard output by default, written without blocking the service: see log-output.ts. */
export function makeLog(level: string, destination?: pino.DestinationStream): ServiceLog {
  const options: pino.LoggerOptions = {
    level,
    base: { service: 'tft-tensorrt', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (destination !== undefined) return pino(options, destination);
  const output = new LogOutput(STANDARD_OUTPUT);
  const log = pino(options, output);
  dropped.set(log, () => output.dropped);
  return log;
}

/** The number of lines that a log could not write. */
export function droppedLines(log: ServiceLog): number {
  return dropped.get(log)?.() ?? 0;
}

/** Logs refusals, a few of each code a second, so that an overload does not overload the log too. */
export class RefusalLog {
  readonly #log: ServiceLog;
  readonly #seconds = new Map<string, { second: number; lines: number; withheld: number }>();

  constructor(log: ServiceLog) {
    this.#log = log;
  }

  write(error: HttpError, facts: object): void {
    const second = Math.floor(performance.now() / 1000);
    const entry = this.#seconds.get(error.code) ?? { second, lines: 0, withheld: 0 };
    this.#seconds.set(error.code, entry);
    if (entry.second !== second) {
      entry.second = second;
      entry.lines = 0;
    }
    if (++entry.lines > LINES_A_SECOND) {
      entry.withheld++;
      return;
    }
    const withheld = entry.withheld === 0 ? {} : { alsoSince: entry.withheld };
    entry.withheld = 0;
    const record = { ...facts, status: error.status, code: error.code, ...withheld };
    if (error.code === 'ERR_TFT_HTTP_INTERNAL') {
      this.#log.error({ ...record, err: error.cause ?? error }, error.message);
    } else if (error.status >= 500) {
      this.#log.warn(record, error.message);
    } else {
      this.#log.info(record, error.message);
    }
  }
}
