// Where an ONNX Runtime session lives: a worker thread, or a process of its own when the engine itself is used
// inside a worker thread.
//
// A thread is faster: a batch goes over by transfer, without a copy. But a worker of a worker dies with its
// parent at any moment, without an event that could wait for the native call in progress (exit-guard.ts), and
// that aborts the process. A child process sees its channel close and leaves when its call is done.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import type { Slab } from '../../batching/slab.js';
import { TFTError } from '../../contract/errors.js';
import type { ModelTensors, Values } from '../../contract/tensors.js';
import { dropGuard, type ExitGuard, raiseGuard } from './exit-guard.js';

/** A batch on its way to the session; its views cover exactly the series to run. */
export interface RunMessage {
  readonly kind: 'run';
  readonly batch: number;
  readonly inputs: readonly Values[];
  /** Receive the results, where the memory is the session's to write to. */
  readonly outputs?: readonly Values[];
}

/** What the session is told. */
export type ToSession =
  | {
      readonly kind: 'start';
      readonly library: string;
      readonly onnxPath: string;
      readonly tensors: ModelTensors;
    }
  | RunMessage
  | { readonly kind: 'close' };

/** A tensor as the ONNX file declares it; a number that varies has its symbol's name. */
export interface TensorInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** What the session says. */
export type FromSession =
  | {
      readonly kind: 'ready';
      readonly inputs: readonly TensorInfo[];
      readonly outputs: readonly TensorInfo[];
    }
  | { readonly kind: 'failed'; readonly at: 'library' | 'model'; readonly message: string }
  | { readonly kind: 'done'; readonly outputs: readonly Values[] }
  | { readonly kind: 'error'; readonly message: string };

/** What a host reports. */
export interface HostEvents {
  message(message: FromSession): void;
  /** The thread or process has ended, by itself or by an error. Comes once, last. */
  gone(reason: string, cause?: unknown): void;
}

/** A running thread or process. */
export interface SessionHost {
  send(message: ToSession): void;
  /** Sends the first `batch` series of a slab. Whether the slab's memory has gone over with them. */
  sendSlab(slab: Slab, batch: number): boolean;
  /** Whether it keeps the process alive; at first it does. */
  hold(alive: boolean): void;
}

const RUNNER = new URL('./worker.js', import.meta.url);

/** What a worker thread is started with. */
export interface RunnerData {
  readonly guard: ExitGuard;
}

/** Starts a host where it is safe. */
export function startHost(events: HostEvents): SessionHost {
  // ONNX Runtime sends usage data home, and keeps an identifier of the machine, unless it is told not to. It reads the
  // process's own environment, which only the main thread sees, and so before a thread is started.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  try {
    return isMainThread ? startThread(events) : startProcess(events);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw cause;
    const flag = isMainThread ? '--allow-worker' : '--allow-child-process';
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      `Node's permission model forbids the ${isMainThread ? 'thread' : 'process'} that a model runs in; start node with ${flag}`,
      { cause },
    );
  }
}

function startThread(events: HostEvents): SessionHost {
  const guard = raiseGuard();
  // execArgv: the caller's loaders and preloaded modules have no business in this thread.
  const worker = new Worker(RUNNER, {
    name: 'tft-onnxruntime',
    execArgv: [],
    workerData: { guard } satisfies RunnerData,
  });
  let failure: unknown;
  worker.on('message', (message: FromSession) => events.message(message));
  worker.on('error', (error) => {
    failure = error;
  });
  worker.on('exit', (code) => {
    dropGuard(guard);
    events.gone(describe('thread', code, failure), failure);
  });
  return {
    send: (message) => worker.postMessage(message),
    sendSlab(slab, batch) {
      worker.postMessage({ kind: 'run', batch, ...slab.views(batch) } satisfies RunMessage, [slab.buffer]);
      return true;
    },
    hold: (alive) => (alive ? worker.ref() : worker.unref()),
  };
}

function startProcess(events: HostEvents): SessionHost {
  const child = fork(fileURLToPath(RUNNER), { serialization: 'advanced', execArgv: [] });
  let failure: unknown;
  let isGone = false;
  const gone = (code: number | string) => {
    if (isGone) return;
    isGone = true;
    events.gone(describe('process', code, failure), failure);
  };
  child.on('message', (message) => events.message(message as FromSession));
  child.on('error', (error) => {
    failure = error;
    if (child.pid === undefined) gone('not started');
  });
  child.on('exit', (code, signal) => gone(signal ?? code ?? 'unknown'));
  // A send to a process that has just died fails here and in 'exit'; the latter tells.
  const ignore = () => {};
  return {
    send: (message) => void child.send(message, ignore),
    sendSlab(slab, batch) {
      const { inputs } = slab.views(batch);
      child.send({ kind: 'run', batch, inputs } satisfies RunMessage, ignore);
      return false;
    },
    hold(alive) {
      if (alive) {
        child.ref();
        child.channel?.ref();
      } else {
        child.unref();
        child.channel?.unref();
      }
    },
  };
}

function describe(what: string, code: number | string, failure: unknown): string {
  return `the ${what} that ran the model ended (${failure instanceof Error ? failure.message : `code ${code}`})`;
}
