// Limits how fast an overloaded service refuses.
//
// libuv accepts one new connection in each turn of the event loop. If clients retry as soon as they are refused, each
// turn refuses as many requests as there are connections, and new clients, such as a health check, wait for seconds to
// be accepted. With a few refusals in each turn, turns are short. In total, clients wait as long for their refusals.

/** Takes about a millisecond, so a new connection is accepted about every millisecond. */
const EACH_TURN = 8;

/** Releases refusals in order, a few in each turn of the event loop. */
export class RefusalPace {
  #left = EACH_TURN;
  #turnComes = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the next refusal may be sent. @returns undefined if it may be sent at once. */
  next(): Promise<void> | undefined {
    this.#awaitTurn();
    if (this.#left === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#left--;
    return undefined;
  }

  #awaitTurn(): void {
    if (this.#turnComes) return;
    this.#turnComes = true;
    setImmediate(() => {
      this.#turnComes = false;
      const released = this.#waiting.splice(0, EACH_TURN);
      this.#left = EACH_TURN - released.length;
      for (const release of released) release();
      if (this.#waiting.length > 0) this.#awaitTurn();
    });
  }
}
