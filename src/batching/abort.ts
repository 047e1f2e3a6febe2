// Waiting for an AbortSignal, with one listener for each signal, however many requests share it: a service's
// shutdown signal lives as long as the service, and Node warns of the eleventh listener.
import { TFTError } from '../contract/errors.js';

/** As much of an AbortSignal as an engine looks at; its own `reason` becomes the error's cause. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

interface Watch {
  readonly waiting: Set<(error: TFTError) => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignalLike, Watch>();

/** The error for a signal that has fired. */
export function aborted(signal: AbortSignalLike): TFTError {
  return new TFTError('ERR_TFT_ABORTED', 'the request was aborted by its signal', { cause: signal.reason });
}

/** Calls `fail` when the signal fires. */
export function watchSignal(signal: AbortSignalLike, fail: (error: TFTError) => void): void {
  let watch = watches.get(signal);
  if (watch === undefined) {
    const waiting: Watch['waiting'] = new Set();
    const listener = () => {
      watches.delete(signal);
      for (const each of waiting) each(aborted(signal));
    };
    watch = { waiting, listener };
    watches.set(signal, watch);
    signal.addEventListener('abort', listener, { once: true });
  }
  watch.waiting.add(fail);
}

/** Stops calling `fail`. With the last one the listener is removed. */
export function unwatchSignal(signal: AbortSignalLike, fail: (error: TFTError) => void): void {
  const watch = watches.get(signal);
  if (watch?.waiting.delete(fail) && watch.waiting.size === 0) {
    watches.delete(signal);
    signal.removeEventListener('abort', watch.listener);
  }
}
