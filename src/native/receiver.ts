// Calls a user's functions from the native side.
import type { Log, LogEntry } from '../contract/log.js';
import type { NativeLog } from './addon.js';

/** Passes the native log on to `log`. */
export function receiver(log: Log): NativeLog {
  return (level: LogEntry['level'], message: string) => callSafely(() => log({ level, message }));
}

/** Runs a user's callback. If it throws, the error is rethrown in a microtask so that it cannot break the caller. */
export function callSafely(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
