// Estimates whether a request can run in time. If it cannot, it is refused at once, before its body is read.
import { type HttpError, refusal } from '../http/http-error.js';
import type { ServedModel } from '../model-host.js';
import { RunTime } from './run-time.js';

/** The time for which an observation of the queue is used, in milliseconds. */
const FRESH_MS = 10;
const MAX_RETRY_SECONDS = 30;
/** The part of the time allowed that the estimate may be: without room for its error, many would wait in vain. */
const CERTAIN = 0.9;

interface Look {
  readonly at: number;
  readonly waiting: number;
  /** The estimated milliseconds until everything that waits has run. */
  readonly waitMs: number;
  readonly runTime: RunTime;
  /** Made when it is needed, once: a stack trace takes time. */
  refusal?: HttpError;
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
    return this.refusalOf(model, this.#maxWaitMs) !== undefined;
  }

  /**
   * @param withinMs the time within which the request must begin to run.
   * @returns ERR_TFT_HTTP_OVERLOADED with the time after which the queue should have room; undefined if it has.
   */
  refusalOf(model: ServedModel, withinMs: number): HttpError | undefined {
    const look = this.#look(model);
    if (look.waiting < model.engine.info.queueLimit && look.waitMs <= withinMs * CERTAIN) return undefined;
    look.refusal ??= overloaded(look);
    return look.refusal;
  }

  #look(model: ServedModel): Look {
    const now = performance.now();
    const last = this.#looks.get(model);
    if (last !== undefined && now - last.at < FRESH_MS) return last;
    const { engine } = model;
    const counters = engine.counters();
    const runTime = last?.runTime ?? new RunTime(engine.info.threads);
    const waiting = counters.waitingServers;
    const look: Look = { at: now, waiting, waitMs: waiting * runTime.observe(now, counters), runTime };
    this.#looks.set(model, look);
    return look;
  }
}

function overloaded({ waiting, waitMs }: Look): HttpError {
  const retryAfter = Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(waitMs / 1000)));
  return refusal(
    'ERR_TFT_HTTP_OVERLOADED',
    `${waiting} series are waiting, about ${Math.ceil(waitMs)} ms of work; try again in ${retryAfter} s`,
    { retryAfter },
  );
}
