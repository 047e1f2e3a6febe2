// Limits how fast an overloaded service refuses.
//
// libuv accepts one new connection in each turn of the event loop. If clients retry as soon as they are refused, each
// turn refuses as many requests as there are connections, and new clients, such as a health check, wait for seconds to
// be accepted. With a few refusals in each turn, turns are short. In total, clients wait as long for their refusals.

/** Takes about half a millisecond. */
const EACH_TURN = 8;
/** After a turn that accepted a connection, as more may wait. Not none: clients that connect must not stop refusals. */
const EACH_TURN_OF_ARRIVALS = 1;

/** Releases refusals in order, a few in each turn of the event loop. */
export class RefusalPace {
  #left = EACH_TURN;
  #turnComes = false;
  #hasArrival = false;
  readonly #waiting: (() => void)[] = [];

  /** Call it for each new connection. */
  arrived(): void {
    this.#hasArrival = true;
    this.#left = Math.min(this.#left, EACH_TURN_OF_ARRIVALS);
    this.#awaitTurn();
  }

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
      const most = this.#hasArrival ? EACH_TURN_OF_ARRIVALS : EACH_TURN;
      this.#hasArrival = false;
      const released = this.#waiting.splice(0, most);
      this.#left = most - released.length;
      for (const release of released) release();
      if (this.#waiting.length > 0 || most < EACH_TURN) this.#awaitTurn();
    });
  }
}
