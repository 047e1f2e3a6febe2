// The interface of a source of samples.
import type { SourceStatus } from '../api.js';

export interface Source {
  /** Starts delivering samples. Resolves when the past that it has is delivered. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly status: SourceStatus;
}

/** The status that a source reports. */
export class SourceLedger {
  readonly #name: string;
  readonly #kind: string;
  #lastSuccess: number | undefined;
  #lagSeconds: number | null = null;
  #records = 0;
  #errors = 0;
  #lastError: string | null = null;

  constructor(name: string, kind: string) {
    this.#name = name;
    this.#kind = kind;
  }

  /** @param newest the time of the newest sample, in milliseconds since 1970. */
  succeeded(records: number, newest: number | undefined): void {
    this.#lastSuccess = Date.now();
    this.#records += records;
    if (newest !== undefined) this.#lagSeconds = Math.max(0, (Date.now() - newest) / 1000);
  }

  failed(error: unknown): void {
    this.#errors++;
    this.#lastError = error instanceof Error ? error.message : String(error);
  }

  get status(): SourceStatus {
    return {
      name: this.#name,
      kind: this.#kind,
      lastSuccess: this.#lastSuccess === undefined ? null : new Date(this.#lastSuccess).toISOString(),
      lagSeconds: this.#lagSeconds,
      records: this.#records,
      errors: this.#errors,
      lastError: this.#lastError,
    };
  }
}
