// The target of every server over the past days, by step: what naive forecasts are made from. Stored by step, in the order in
// which steps arrive.

const FIRST_SERVERS = 64;

export class TargetHistory {
  readonly #slots: number;
  readonly #maxGap: number;
  #servers = FIRST_SERVERS;
  /** `[slots][servers]`; NaN where nothing was measured. */
  #values: Float32Array;
  readonly #steps: Float64Array;
  #newest = Number.NEGATIVE_INFINITY;

  /** @param slots how many steps are kept; @param maxGap gaps of up to this many steps are filled. */
  constructor(slots: number, maxGap: number) {
    this.#slots = slots;
    this.#maxGap = maxGap;
    this.#steps = new Float64Array(slots).fill(Number.NaN);
    this.#values = new Float32Array(slots * this.#servers).fill(Number.NaN);
  }

  get newest(): number {
    return this.#newest;
  }

  /** Takes a step of all servers, `[servers][metrics]`; the target is at `index`. Steps that are no longer kept are left out. */
  put(step: number, values: Float32Array, metrics: number, index: number): void {
    if (step <= this.#newest - this.#slots) return;
    const count = values.length / metrics;
    this.#grow(count);
    const slot = this.#slot(step);
    const from = slot * this.#servers;
    this.#values.fill(Number.NaN, from, from + this.#servers);
    for (let server = 0; server < count; server++) {
      this.#values[from + server] = values[server * metrics + index] as number;
    }
    this.#steps[slot] = step;
    this.#newest = Math.max(this.#newest, step);
  }

  /** The measured value; NaN if there is none or it is no longer kept. */
  at(server: number, step: number): number {
    const slot = this.#slot(step);
    if (this.#steps[slot] !== step || server >= this.#servers) return Number.NaN;
    return this.#values[slot * this.#servers + server] as number;
  }

  /** Goes back to an earlier step after the clock was wrong. Later steps are dropped. */
  rewind(step: number): void {
    this.#newest = Math.min(step, this.#newest);
    for (const [slot, kept] of this.#steps.entries()) if (kept > step) this.#steps[slot] = Number.NaN;
  }

  /** A copy of a step of all servers; empty if it is not kept. */
  step(step: number): Float32Array {
    const slot = this.#slot(step);
    if (this.#steps[slot] !== step) return new Float32Array(0);
    return this.#values.slice(slot * this.#servers, (slot + 1) * this.#servers);
  }

  /**
   * A server's target up to and with a step, oldest first: since its last gap that is too long to fill, and at most `most`
   * steps. Shorter gaps take the value before them. Empty where nothing was measured lately.
   */
  past(server: number, step: number, most: number): Float64Array {
    const oldest = Math.max(step - most + 1, this.#newest - this.#slots + 1);
    let missing = 0;
    let begin = step + 1;
    for (let at = step; at >= oldest; at--) {
      if (Number.isNaN(this.at(server, at))) {
        if (++missing > this.#maxGap) break;
      } else {
        missing = 0;
        begin = at;
      }
    }
    const values = new Float64Array(step + 1 - begin);
    let last = Number.NaN;
    for (let index = 0; index < values.length; index++) {
      const value = this.at(server, begin + index);
      if (!Number.isNaN(value)) last = value;
      values[index] = last;
    }
    return values;
  }

  #slot(step: number): number {
    const rest = step % this.#slots;
    return rest < 0 ? rest + this.#slots : rest;
  }

  #grow(count: number): void {
    if (count <= this.#servers) return;
    const servers = Math.max(count, Math.ceil(this.#servers * 1.5));
    const values = new Float32Array(this.#slots * servers).fill(Number.NaN);
    for (let slot = 0; slot < this.#slots; slot++) {
      values.set(this.#values.subarray(slot * this.#servers, (slot + 1) * this.#servers), slot * servers);
    }
    this.#values = values;
    this.#servers = servers;
  }
}
