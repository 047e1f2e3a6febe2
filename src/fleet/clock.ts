// The daemon's time: the machine's, or that of a history which is replayed.
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves when a time has come, or the signal is aborted. */
  until(time: number, signal: AbortSignal): Promise<void>;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  until: (time, signal) => delay(Math.max(0, time - Date.now()), undefined, { signal }).catch(() => {}),
};

/** A clock that changes only when it is set. */
export class ReplayClock implements Clock {
  #now: number;
  readonly #waiting = new Set<{ readonly time: number; readonly wake: () => void }>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  async until(time: number, signal: AbortSignal): Promise<void> {
    if (time <= this.#now || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const waiting = {
        time,
        wake: () => {
          this.#waiting.delete(waiting);
          signal.removeEventListener('abort', waiting.wake);
          resolve();
        },
      };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', waiting.wake);
    });
  }

  set(now: number): void {
    this.#now = Math.max(this.#now, now);
    for (const { time, wake } of [...this.#waiting]) if (time <= this.#now) wake();
  }
}
