// The daemon's time: the machine's, or that of a history which is replayed.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

export const wallClock: Clock = { now: () => Date.now() };

/** A clock that changes only when it is set. */
export class ReplayClock implements Clock {
  #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  set(now: number): void {
    this.#now = Math.max(this.#now, now);
  }
}
