// How fast an overloaded service refuses.
//
// libuv takes one new connection in each turn of the event loop. Where clients ask again as soon as they are refused,
// each turn refuses as many as there are connections, and new clients, a health check among them, wait for seconds to
// be let in. With a few refusals a turn, turns are short; what clients wait for their refusal is the same in sum.

/** About a millisecond's worth: so often is a new connection let in. */
const EACH_TURN = 8;

/** Lets refusals out, in order, a few in each turn of the event loop. */
export class RefusalPace {
  #left = EACH_TURN;
  #turnComes = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the next refusal may go out; undefined when it may at once. */
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
