// The backend for NVIDIA GPUs: submits requests to the native engine and settles the callers' promises. Queueing,
// batching and deadlines are the C++ core's.
import { setImmediate } from 'node:timers/promises';
import type { Backend, BackendInfo } from '../../batching/backend.js';
import type { BackendCounters } from '../../batching/counters.js';
import { Request, type RequestOptions, type Results } from '../../batching/request.js';
import type { RuntimeCache } from '../../builder/runtime-cache.js';
import { TFTError } from '../../contract/errors.js';
import { inRequest } from '../../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../../contract/inputs.js';
import { INPUTS, type Precision } from '../../contract/names.js';
import type { Handle, NativeEngine } from '../../native/addon.js';
import { badValueOf, fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import { nativeTensors } from '../../native/tensors.js';
import type { LoadRequest } from '../load-request.js';

/** A plan to run. */
export interface PlanToRun {
  /** The file that TensorRT reads. */
  readonly path: string;
  /** Shown instead of the path as the engine's origin. */
  readonly origin?: string | undefined;
  readonly engine: 'file' | 'cache' | 'built';
  readonly precision: Precision | 'unknown';
  /** Whether its forecasts of the bundle's sample windows were compared with PyTorch's. */
  readonly checked: boolean;
  /** Whether it is TensorRT for RTX's. */
  readonly rtx: boolean;
  readonly runtimeCache?: RuntimeCache | undefined;
}

/** The number of codes of a category whose vocabulary is not known: no limit. */
const ANY_CODE = 2 ** 31 - 1;

/** A request that has not ended. */
interface Sent {
  readonly request: Request;
  /** Inputs that the engine reads until the request ends. */
  readonly borrowed: readonly AcceptedInputs[];
  /** Whether an error about one of the inputs names its place in the list. */
  readonly numbered: boolean;
}

/** Runs a plan on GPUs. */
export class TensorRtBackend implements Backend {
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #native: NativeEngine;
  readonly #contract: Contract;
  readonly #runtimeCache: RuntimeCache | undefined;
  /** By handle. */
  readonly #sent: (Sent | undefined)[] = [];
  #closed = false;

  private constructor(plan: PlanToRun, contract: Contract, native: NativeEngine) {
    const info = native.info();
    const cuda = `${Math.floor(info.cudaVersion / 1000)}.${Math.floor((info.cudaVersion % 1000) / 10)}`;
    this.info = {
      name: 'tensorrt',
      device: info.devices.map(({ device }) => device.name).join(', '),
      versions: {
        tensorrt: `${info.tensorrtVersion}${info.lean ? ' lean' : info.rtx ? ' for RTX' : ''}`,
        cuda,
      },
      precision: plan.precision,
      engine: plan.engine,
      checked: plan.checked,
      threads: info.devices.reduce((lanes, device) => lanes + device.lanes, 0),
    };
    this.maxBatch = info.maxBatch;
    this.origin = plan.origin ?? plan.path;
    this.#contract = contract;
    this.#native = native;
    this.#runtimeCache = plan.runtimeCache;
    native.deliver = (count) => this.#deliver(count);
  }

  /**
   * Loads a plan.
   *
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_NO_CUDA_DRIVER, ERR_TFT_NO_CUDA_DEVICE,
   *   ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION, ERR_TFT_PLAN_INVALID, ERR_TFT_PLAN_MISMATCH,
   *   ERR_TFT_OUT_OF_MEMORY, ERR_TFT_DEVICE_LOST, ERR_TFT_OPTION, ERR_TFT_UNSUPPORTED.
   */
  static async load(plan: PlanToRun, request: LoadRequest): Promise<TensorRtBackend> {
    const { model, contract, maxBatch, queueLimit, tensorrt, log } = request;
    const receive = receiver(log);
    const tensors = nativeTensors(model);
    const codes = model.categories.map((category) => Object.keys(category.codes).length || ANY_CODE);
    try {
      const native = await loadAddon().load(
        {
          plan: plan.path,
          ...tensors,
          inputs: tensors.inputs.map((tensor) =>
            hasCategories(tensor.name) ? { ...tensor, codes } : tensor,
          ),
          maxBatch,
          queueLimit,
          ...tensorrt,
          rtx: plan.rtx,
          runtimeCache: plan.runtimeCache?.content,
        },
        receive,
      );
      native.log = receive;
      return new TensorRtBackend(plan, contract, native);
    } catch (error) {
      throw fromNative(error);
    }
  }

  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results> {
    this.#refuseWhenClosed();
    const { signal, out, deadlineMs = -1, borrow = false } = options;
    let series = 0;
    for (const { batch } of list) series += batch;
    const handle = this.#send(list, deadlineMs, borrow, numbered);
    const request = new Request(series, this.#contract.tensors.outputs, { signal, out }, () =>
      this.#native.cancel(handle),
    );
    this.#sent[handle] = { request, borrowed: borrow ? list : [], numbered };
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
    const { accepted, succeeded, failed, cancelled, expired, refused, series, batches } = counters;
    // The core times batches, not requests. Each request is taken to share its batch with the average number of others.
    const shared = batches === 0 ? 0 : Math.max(1, succeeded / batches);
    return {
      accepted,
      succeeded,
      failed,
      cancelled,
      expired,
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
    await this.#runtimeCache?.keep(compiled);
    // All results are delivered. Yield once so that their awaiters run before the awaiter of close().
    await setImmediate();
  }

  /** The native engine closes in another thread and may still accept requests for a moment. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
  }

  #send(list: readonly AcceptedInputs[], deadlineMs: number, borrow: boolean, numbered: boolean): Handle {
    try {
      if (list.length === 1 && !borrow) {
        const { arrays } = list[0] as AcceptedInputs;
        return this.#native.submit(deadlineMs, ...arrays);
      }
      return this.#native.submitAll(
        deadlineMs,
        list.flatMap(({ arrays }) => arrays),
        borrow,
      );
    } catch (error) {
      throw this.#refusal(error, numbered);
    }
  }

  #refusal(error: unknown, numbered: boolean): unknown {
    const bad = badValueOf(error);
    if (bad === undefined) return fromNative(error);
    const invalid = this.#contract.invalidValue(bad.input, bad.index, bad.found);
    return numbered ? inRequest(invalid, bad.part) : invalid;
  }

  /** The first `count` requests in the native engine's `done` have ended. */
  #deliver(count: number): void {
    for (let index = 0; index < count; index++) {
      const handle = this.#native.done[index] as Handle;
      const { request, borrowed, numbered } = this.#sent[handle] as Sent;
      this.#sent[handle] = undefined;
      const targets = request.settled ? [undefined] : (request.targets as readonly Float32Array[]);
      const error = this.#native.take(handle, ...targets);
      // If borrowed memory was detached meanwhile, the result is invalid, be it a forecast or an error.
      const failure = this.#changed(borrowed, numbered) ?? (error && this.#refusal(error, numbered));
      if (failure) request.fail(failure as TFTError);
      else request.finish();
    }
  }

  #changed(borrowed: readonly AcceptedInputs[], numbered: boolean): unknown {
    for (const [index, inputs] of borrowed.entries()) {
      const changed = this.#contract.changed(inputs);
      if (changed) return numbered ? inRequest(changed, index) : changed;
    }
    return undefined;
  }
}

function hasCategories(name: string): boolean {
  return INPUTS.some((input) => input.name === name && input.channels === 'categories');
}
