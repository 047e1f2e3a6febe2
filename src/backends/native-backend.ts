// A backend over an engine of the native addon: submits requests to it and settles the callers' promises. Queueing,
// batching and deadlines are the C++ core's. What loads the engine is each backend's own.
import { setImmediate } from 'node:timers/promises';
import type { Backend, BackendInfo } from '../batching/backend.js';
import { type BackendCounters, type Ending, endingOf } from '../batching/counters.js';
import { deadlinePassed } from '../batching/deadline-passed.js';
import { queueFull } from '../batching/queue-full.js';
import { Request, type RequestOptions, type Results } from '../batching/request.js';
import { TFTError } from '../contract/errors.js';
import { inRequest } from '../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../contract/inputs.js';
import type { ModelDescription } from '../contract/model.js';
import { INPUTS } from '../contract/names.js';
import type { TensorSpec } from '../contract/tensors.js';
import type { Handle, NativeEngine, NativeLog, NativeShape } from '../native/addon.js';
import { badValueOf, fromNative, fullQueueOf } from '../native/errors.js';
import { nativeTensors } from '../native/tensors.js';

/** The number of codes of a category whose vocabulary is not known: no limit. */
const ANY_CODE = 2 ** 31 - 1;

/** Some 25 forecasts of the default model. */
const LARGE_RESULT_BYTES = 64 * 1024;

const VALUE_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** A request that the engine has not delivered. */
interface Sent {
  readonly request: Request;
  /** Inputs that the engine reads until the request ends. */
  readonly borrowed: readonly AcceptedInputs[];
  /** Whether an error about one of the inputs names its place in the list. */
  readonly numbered: boolean;
  readonly deadlineMs: number | undefined;
  /** What the caller's promise was rejected with. */
  failure: TFTError | undefined;
}

/** A loaded engine, and what is known of it. */
export interface LoadedEngine {
  readonly native: NativeEngine;
  readonly contract: Contract;
  readonly info: BackendInfo;
  /** The file that runs. */
  readonly origin: string;
  /** Receives the engine's log. */
  readonly log: NativeLog;
  /** Takes what the engine gives when it has closed. */
  readonly keep?: ((compiled: Uint8Array) => Promise<void> | undefined) | undefined;
}

export class NativeBackend implements Backend {
  readonly lends = true;
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #native: NativeEngine;
  readonly #contract: Contract;
  readonly #keep: LoadedEngine['keep'];
  /** By handle. */
  readonly #sent: (Sent | undefined)[] = [];
  /**
   * What is added to the engine's counters: a request may end otherwise for its caller than in the engine, for example by an
   * abort after its run.
   */
  readonly #corrections: Record<Ending, number> = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  /** What was last shown: a correction may come after it, and a counter must not fall. */
  readonly #shown: Record<Ending, number> = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  #closed = false;

  constructor({ native, contract, info, origin, log, keep }: LoadedEngine) {
    this.info = info;
    this.maxBatch = native.info().maxBatch;
    this.origin = origin;
    this.#contract = contract;
    this.#native = native;
    this.#keep = keep;
    native.log = log;
    native.deliver = (count) => this.#deliver(count);
  }

  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results> {
    this.#refuseWhenClosed();
    const { signal, out, deadlineMs, borrow = false } = options;
    let series = 0;
    for (const { batch } of list) series += batch;
    const { outputs } = this.#contract.tensors;
    const inPlace = isLarge(outputs, series) ? placesFor(outputs, series, options) : undefined;
    const handle = this.#send(list, deadlineMs ?? -1, borrow, numbered, inPlace);
    const withdraw = (error: TFTError) => {
      sent.failure = error;
      this.#native.cancel(handle);
    };
    const request = new Request(series, outputs, { signal, out }, withdraw, inPlace);
    const borrowed = borrow ? list : [];
    const sent: Sent = { request, borrowed, numbered, deadlineMs, failure: undefined };
    this.#sent[handle] = sent;
    request.watch();
    return request.promise;
  }

  runSync(inputs: AcceptedInputs, results: Results): void {
    this.#refuseWhenClosed();
    try {
      this.#native.predict(...inputs.arrays, ...results);
    } catch (error) {
      throw this.#refusal(error, false);
    }
  }

  async warmup(): Promise<void> {
    this.#refuseWhenClosed();
    try {
      await this.#native.warmup();
    } catch (error) {
      throw fromNative(error);
    }
  }

  counters(): BackendCounters {
    const { copyInMicroseconds, runMicroseconds, copyOutMicroseconds, ...counters } = this.#native.counters();
    const { accepted, refused, series, batches } = counters;
    const ended = (ending: Ending) => {
      this.#shown[ending] = Math.max(this.#shown[ending], counters[ending] + this.#corrections[ending]);
      return this.#shown[ending];
    };
    const succeeded = ended('succeeded');
    // The core times batches, not requests. Each request is taken to share its batch with the average number of others.
    const shared = batches === 0 ? 0 : Math.max(1, succeeded / batches);
    return {
      accepted,
      succeeded,
      failed: ended('failed'),
      cancelled: ended('cancelled'),
      expired: ended('expired'),
      refused,
      servers: series,
      batches,
      queueMicroseconds: counters.queueMicroseconds,
      inputMicroseconds: copyInMicroseconds * shared,
      inferMicroseconds: runMicroseconds * shared,
      outputMicroseconds: copyOutMicroseconds * shared,
      busyMicroseconds: copyInMicroseconds + runMicroseconds + copyOutMicroseconds,
      batchSizes: counters.batchSizes,
      waitingServers: counters.waitingSeries,
      runningBatches: counters.runningBatches,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const compiled = await this.#native.close();
    await this.#keep?.(compiled);
    // All results are delivered. Yield once so that their awaiters run before the awaiter of close().
    await setImmediate();
  }

  /** The native engine closes in another thread and may still accept requests for a moment. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
  }

  #send(
    list: readonly AcceptedInputs[],
    deadlineMs: number,
    borrow: boolean,
    numbered: boolean,
    inPlace: readonly Float32Array[] | undefined,
  ): Handle {
    try {
      if (list.length === 1 && !borrow && !inPlace) {
        const { arrays } = list[0] as AcceptedInputs;
        return this.#native.submit(deadlineMs, ...arrays);
      }
      return this.#native.submitAll(
        deadlineMs,
        list.flatMap(({ arrays }) => arrays),
        borrow,
        inPlace,
      );
    } catch (error) {
      throw this.#refusal(error, numbered);
    }
  }

  #refusal(error: unknown, numbered: boolean, { borrowed, deadlineMs }: Partial<Sent> = {}): unknown {
    const full = fullQueueOf(error);
    if (full) return queueFull(full.waiting, full.refused, full.limit);
    const refusal = fromNative(error);
    if (deadlineMs !== undefined && codeOf(refusal) === 'ERR_TFT_DEADLINE') return deadlinePassed(deadlineMs);
    const bad = badValueOf(error);
    if (bad === undefined) return refusal;
    const { invalid, part } = this.#firstInvalid(borrowed) ?? {
      invalid: this.#contract.invalidValue(bad.input, bad.index, bad.found),
      part: bad.part,
    };
    return numbered ? inRequest(invalid, part) : invalid;
  }

  /** The engine checks lent inputs run by run, so what it finds may be behind the first bad value. */
  #firstInvalid(borrowed: readonly AcceptedInputs[] = []): { invalid: TFTError; part: number } | undefined {
    for (const [part, inputs] of borrowed.entries()) {
      const invalid = this.#contract.firstInvalid(inputs);
      if (invalid) return { invalid, part };
    }
    // None was lent, or the caller has changed it since.
    return undefined;
  }

  /** The first `count` requests in the native engine's `done` have ended. */
  #deliver(count: number): void {
    for (let index = 0; index < count; index++) {
      const handle = this.#native.done[index] as Handle;
      const sent = this.#sent[handle] as Sent;
      const { request, borrowed, numbered } = sent;
      this.#sent[handle] = undefined;
      const targets = request.settled ? [undefined] : (request.targets as readonly Float32Array[]);
      const error = this.#native.take(handle, ...targets);
      // If borrowed memory was detached meanwhile, the result is invalid, be it a forecast or an error.
      const failure = this.#changed(borrowed, numbered) ?? (error && this.#refusal(error, numbered, sent));
      if (failure) request.fail(failure as TFTError);
      else request.finish();
      this.#correct(error, sent.failure);
    }
  }

  /** @param error the engine's. @param failure the caller's. */
  #correct(error: Error | undefined, failure: TFTError | undefined): void {
    const code = codeOf(error);
    // Found when the result is copied, after a run that succeeded.
    const counted = endingOf(code === 'ERR_TFT_OUTPUT_BUFFER' ? undefined : code);
    const seen = endingOf(failure?.code);
    this.#corrections[counted]--;
    this.#corrections[seen]++;
  }

  #changed(borrowed: readonly AcceptedInputs[], numbered: boolean): unknown {
    for (const [index, inputs] of borrowed.entries()) {
      const changed = this.#contract.changed(inputs);
      if (changed) return numbered ? inRequest(changed, index) : changed;
    }
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Whether a copy of the results on JavaScript's thread would take longer than it takes to give engine threads arrays for them. */
function isLarge(outputs: readonly TensorSpec[], series: number): boolean {
  return outputs.reduce((bytes, { size }) => bytes + series * size * VALUE_BYTES, 0) >= LARGE_RESULT_BYTES;
}

/**
 * Arrays that engine threads may fill: new ones, whose memory is not cleared, and the caller's `out` if its memory is shared,
 * since that is never detached. Undefined for another `out`, and with a signal: an abort ends a request at once, while an engine
 * thread may still write.
 */
function placesFor(
  outputs: readonly TensorSpec[],
  series: number,
  { out, signal }: RequestOptions,
): [Float32Array, ...Float32Array[]] | undefined {
  if (out && (signal || !(out.buffer instanceof SharedArrayBuffer))) return undefined;
  const fresh = ({ size }: TensorSpec) =>
    new Float32Array(Buffer.allocUnsafeSlow(series * size * VALUE_BYTES).buffer);
  const [predictions, ...further] = outputs as readonly [TensorSpec, ...TensorSpec[]];
  return [out ?? fresh(predictions), ...further.map(fresh)];
}

/**
 * A model's tensors, with the number of codes of each category.
 *
 * @throws TFTError ERR_TFT_UNSUPPORTED for an output of integers.
 */
export function tensorsWithCodes(model: ModelDescription): NativeShape {
  const { inputs, outputs } = nativeTensors(model);
  const codes = model.categories.map((category) => Object.keys(category.codes).length || ANY_CODE);
  return {
    inputs: inputs.map((tensor) => (hasCategories(tensor.name) ? { ...tensor, codes } : tensor)),
    outputs,
  };
}

function hasCategories(name: string): boolean {
  return INPUTS.some((input) => input.name === name && input.channels === 'categories');
}
