// Finds expired servers: those whose newest row is much older than the newest row of all.

/** Checks the servers once for each new step, so that a row costs almost nothing. */
export class Expiry {
  readonly #afterMs: number;
  readonly #stepMs: number;
  /** By server, the time of its newest row. */
  readonly #seen = new Map<string, number>();
  #newest = Number.NEGATIVE_INFINITY;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(afterMs: number, stepMs: number) {
    this.#afterMs = afterMs;
    this.#stepMs = stepMs;
  }

  /** Records a row. @returns the servers that have expired. */
  see(server: string, time: number): readonly string[] {
    const before = this.#seen.get(server);
    if (before === undefined) this.#seen.set(Buffer.from(server).toString(), time);
    else if (time > before) this.#seen.set(server, time);
    // A row with a time ahead of this machine's clock says nothing about the others.
    if (time > this.#newest) this.#newest = Math.max(this.#newest, Math.min(time, Date.now()));
    if (this.#newest - this.#looked < this.#stepMs) return [];
    this.#looked = this.#newest;
    const oldest = this.#newest - this.#afterMs;
    return [...this.#seen].filter(([name, last]) => last < oldest && name !== server).map(([name]) => name);
  }

  forget(server: string): void {
    this.#seen.delete(server);
  }
}
