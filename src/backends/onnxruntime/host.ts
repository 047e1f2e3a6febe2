// Hosts an ONNX Runtime session: in a worker thread, or in a child process if the engine itself is used inside a worker
// thread.
//
// A thread is faster, because a batch is transferred without a copy. But a worker of a worker dies with its parent at
// any moment, without an event that could wait for the native call in progress (exit-guard.ts), which aborts the
// process. A child process sees its channel close and exits when its call is done.
import { fork } from 'node:child_process';
import { isMainThread, Worker } from 'node:worker_threads';
import type { Slab } from '../../batching/slab.js';
import { TFTError } from '../../contract/errors.js';
import { ownFile } from '../../contract/own-package.js';
import type { ModelTensors, Values } from '../../contract/tensors.js';
import { dropGuard, type ExitGuard, raiseGuard } from './exit-guard.js';

/** A batch for the session. Its views cover exactly the series to run. */
export interface RunMessage {
  readonly kind: 'run';
  readonly batch: number;
  readonly inputs: readonly Values[];
  /** Memory for the results. A session in another process has none here and sends the results back. */
  readonly outputs?: readonly Values[];
}

/** Messages to the session. */
export type ToSession =
  | {
      readonly kind: 'start';
      readonly nice: number;
      readonly library: string;
      readonly onnxPath: string;
      readonly tensors: ModelTensors;
    }
  | RunMessage
  | { readonly kind: 'close' };

/** A tensor as the ONNX file declares it. A dimension that varies is given by its symbol. */
export interface TensorInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** Messages from the session. */
export type FromSession =
  | {
      readonly kind: 'ready';
      readonly inputs: readonly TensorInfo[];
      readonly outputs: readonly TensorInfo[];
    }
  | { readonly kind: 'failed'; readonly at: 'library' | 'model'; readonly message: string }
  | { readonly kind: 'done'; readonly outputs: readonly Values[] }
  | { readonly kind: 'error'; readonly message: string };

/** Messages of a process. The first says that it listens. */
export type ToParent = FromSession | { readonly kind: 'here' };

/** Events of a host. */
export interface HostEvents {
  message(message: FromSession): void;
  /** The thread or process has ended, with or without an error. This is the last event. */
  gone(reason: string, cause?: unknown): void;
}

/** A running thread or process. */
export interface SessionHost {
  send(message: ToSession): void;
  /** Sends the first `batch` series of a slab. @returns whether the slab's memory was transferred with them. */
  sendSlab(slab: Slab, batch: number): boolean;
  /** Sets whether the host keeps this process alive. At first it does. */
  hold(alive: boolean): void;
}

/** The files that run the model; not by new URL, which bundlers take for a file to copy. */
const runnerFile = () => ownFile('lib/backends/onnxruntime/worker.js');
const starterFile = () => ownFile('lib/backends/onnxruntime/starter.js');

/** The data that a worker thread is started with. */
export interface RunnerData {
  readonly guard: ExitGuard;
}

/** Starts a host where it is safe. */
export function startHost(events: HostEvents): SessionHost {
  // By default ONNX Runtime sends usage data to its makers and stores an identifier of the machine. It reads the variable
  // that disables this from the process's environment, which only the main thread can set, before a thread starts.
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
  // execArgv is empty so that the caller's loaders and preloaded modules do not run in this thread.
  const worker = new Worker(runnerFile(), {
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
  // Windows keeps no record of a process that was not waited for, so it needs no starter there.
  const needsStarter = process.platform !== 'win32';
  const program = needsStarter ? starterFile() : runnerFile();
  const child = fork(program, { serialization: 'advanced', execArgv: [] });
  let failure: unknown;
  child.on('error', (error) => {
    failure = error;
    if (child.pid === undefined) events.gone(describe('process', 'not started', failure), failure);
  });
  const exit = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 'unknown'));
  });
  const here = new Promise<void>((resolve) => {
    child.on('message', (message: ToParent) => {
      if (message.kind === 'here') resolve();
      else events.message(message);
    });
  });
  // The starter would get what is sent before the model's process listens. And a caller that has an answer may terminate this
  // thread: by then the starter's own end has been taken note of.
  const listens = needsStarter ? Promise.all([here, exit]) : here;
  const closed = new Promise((resolve) => child.once('disconnect', resolve));
  Promise.all([exit, closed]).then(([code]) => {
    if (code !== 0) failure ??= lostFolder();
    events.gone(describe('process', code === 0 ? 'its connection closed' : code, failure), failure);
  });
  // Sending to a process that has just died fails here too. The event 'disconnect' reports it.
  const ignore = () => {};
  const send = (message: ToSession) => void listens.then(() => child.send(message, ignore));
  return {
    send,
    sendSlab(slab, batch) {
      const { inputs } = slab.views(batch);
      send({ kind: 'run', batch, inputs });
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

/** Without its working folder no process of Node starts, and it does not say so by its code. */
function lostFolder(): unknown {
  try {
    process.cwd();
    return undefined;
  } catch (error) {
    return error;
  }
}

function describe(what: string, code: number | string, failure: unknown): string {
  const how = failure instanceof Error ? failure.message : typeof code === 'number' ? `code ${code}` : code;
  return `the ${what} that ran the model ended (${how})`;
}
