// Estimates whether a request can run in time. If it cannot, it is refused at once, before its body is read.
import { refusal } from '../http/http-error.js';
import type { ServedModel } from '../model-host.js';

/** The time for which an observation of the queue is used, in milliseconds. */
const FRESH_MS = 10;
const MAX_RETRY_SECONDS = 30;

interface Look {
  readonly at: number;
  readonly waiting: number;
  /** The estimated milliseconds until everything that waits has run. */
  readonly waitMs: number;
}

/** Observes the queues of the models. */
export class Pressure {
  readonly #maxWaitMs: number;
  readonly #looks = new WeakMap<ServedModel, Look>();

  constructor(maxWaitMs: number) {
    this.#maxWaitMs = maxWaitMs;
  }

  /** Whether the queue of a model is full, or its wait too long. */
  isFull(model: ServedModel): boolean {
    const { waiting, waitMs } = this.#look(model);
    return waiting >= model.engine.info.queueLimit || waitMs > this.#maxWaitMs;
  }

  /**
   * @param withinMs the time within which the request must begin to run.
   * @throws HttpError ERR_TFT_HTTP_OVERLOADED with the time after which the queue should have room.
   */
  refuseWhenLate(model: ServedModel, withinMs: number): void {
    const { waiting, waitMs } = this.#look(model);
    const { queueLimit } = model.engine.info;
    if (waiting < queueLimit && waitMs <= withinMs) return;
    const retryAfter = Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(waitMs / 1000)));
    throw refusal(
      'ERR_TFT_HTTP_OVERLOADED',
      `${waiting} series are waiting, about ${Math.ceil(waitMs)} ms of work; try again in ${retryAfter} s`,
      { retryAfter },
    );
  }

  #look(model: ServedModel): Look {
    const now = performance.now();
    const last = this.#looks.get(model);
    if (last !== undefined && now - last.at < FRESH_MS) return last;
    const { engine } = model;
    const { waitingServers, busyMicroseconds, servers } = engine.counters();
    // `threads` batches run in parallel.
    const each = servers === 0 ? 0 : busyMicroseconds / 1000 / servers / engine.info.threads;
    const look = { at: now, waiting: waitingServers, waitMs: waitingServers * each };
    this.#looks.set(model, look);
    return look;
  }
}
