// The backend for NVIDIA GPUs: hands requests to the native engine and its answers to who waits. What waits, what
// runs together and what is late is decided there (cpp/engine).
import { setImmediate } from 'node:timers/promises';
import type { Backend, BackendInfo } from '../../batching/backend.js';
import type { EngineCounters } from '../../batching/counters.js';
import { Request, type RequestOptions, type Results } from '../../batching/request.js';
import { TFTError } from '../../contract/errors.js';
import { inRequest } from '../../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../../contract/inputs.js';
import type { Precision } from '../../contract/names.js';
import type { Handle, NativeEngine, NativeInputs } from '../../native/addon.js';
import { badValueOf, fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import { nativeTensors } from '../../native/tensors.js';
import type { LoadRequest } from '../load-request.js';

/** A plan to run. */
export interface PlanToRun {
  /** Where TensorRT reads it. */
  readonly path: string;
  /** What to say of where it is from, if not the path. */
  readonly origin?: string | undefined;
  readonly engine: 'file' | 'cache' | 'built';
  readonly precision: Precision | 'unknown';
}

/** No bound for the codes of a category whose vocabulary is not known. */
const ANY_CODE = 2 ** 31 - 1;

/** Runs a plan on GPUs. */
export class TensorRtBackend implements Backend {
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #native: NativeEngine;
  readonly #contract: Contract;
  /** By handle. */
  readonly #requests: (Request | undefined)[] = [];
  #closed = false;

  private constructor(plan: PlanToRun, contract: Contract, native: NativeEngine) {
    const info = native.info();
    const cuda = `${Math.floor(info.cudaVersion / 1000)}.${Math.floor((info.cudaVersion % 1000) / 10)}`;
    this.info = {
      name: 'tensorrt',
      device: info.devices.map(({ device }) => device.name).join(', '),
      versions: { tensorrt: `${info.tensorrtVersion}${info.lean ? ' lean' : ''}`, cuda },
      precision: plan.precision,
      engine: plan.engine,
      threads: info.devices.reduce((lanes, device) => lanes + device.lanes, 0),
    };
    this.maxBatch = info.maxBatch;
    this.origin = plan.origin ?? plan.path;
    this.#contract = contract;
    this.#native = native;
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
    try {
      const native = await loadAddon().load(
        {
          plan: plan.path,
          ...nativeTensors(model),
          codes: model.categories.map(({ codes }) => Object.keys(codes).length || ANY_CODE),
          maxBatch,
          queueLimit,
          ...tensorrt,
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
    const { signal, out, deadlineMs = -1 } = options;
    let servers = 0;
    for (const { batch } of list) servers += batch;
    const handle = this.#send(list, deadlineMs, numbered);
    const request = new Request(servers, this.#contract.tensors.outputs, { signal, out }, () =>
      this.#native.cancel(handle),
    );
    this.#requests[handle] = request;
    request.watch();
    return request.promise;
  }

  runSync(inputs: AcceptedInputs, out: Float32Array): void {
    this.#refuseWhenClosed();
    try {
      this.#native.predict(...(inputs.arrays as NativeInputs), out);
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

  counters(): EngineCounters {
    const { copyInMicroseconds, runMicroseconds, copyOutMicroseconds, ...counters } = this.#native.counters();
    const { accepted, succeeded, failed, cancelled, expired, refused, servers, batches } = counters;
    // The core times batches; a request's share of them is taken to be the average.
    const shared = batches === 0 ? 0 : Math.max(1, succeeded / batches);
    return {
      accepted,
      succeeded,
      failed,
      cancelled,
      expired,
      refused,
      servers,
      batches,
      queueMicroseconds: counters.queueMicroseconds,
      inputMicroseconds: copyInMicroseconds * shared,
      inferMicroseconds: runMicroseconds * shared,
      outputMicroseconds: copyOutMicroseconds * shared,
      busyMicroseconds: copyInMicroseconds + runMicroseconds + copyOutMicroseconds,
      batchSizes: counters.batchSizes,
      waitingServers: counters.waitingServers,
      runningBatches: counters.runningBatches,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#native.close();
    // Everything is answered; let those who wait for it go on before who waits for the end.
    await setImmediate();
  }

  /** The native engine closes in another thread, a moment later. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
  }

  #send(list: readonly AcceptedInputs[], deadlineMs: number, numbered: boolean): Handle {
    try {
      if (list.length === 1) {
        const { arrays } = list[0] as AcceptedInputs;
        return this.#native.submit(deadlineMs, ...(arrays as NativeInputs));
      }
      return this.#native.submitAll(
        deadlineMs,
        list.flatMap(({ arrays }) => arrays),
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
      const request = this.#requests[handle] as Request;
      this.#requests[handle] = undefined;
      const error = this.#native.take(handle, request.settled ? undefined : request.targets[0]);
      if (error) request.fail(fromNative(error) as TFTError);
      else request.finish();
    }
  }
}
