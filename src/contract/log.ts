// The engine's log, as the caller receives it.

/** A line of the engine's log. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

/** Receives the engine's log. */
export type Log = (entry: LogEntry) => void;
