// Calls from the native side into a caller's functions.
import type { Log, LogEntry } from '../contract/log.js';
import type { NativeLog } from './addon.js';

/** The native side's log into one of ours. */
export function receiver(log: Log): NativeLog {
  return (level: LogEntry['level'], message: string) => callSafely(() => log({ level, message }));
}

/** A mistake in the caller's callback must not fail what reports to it; it is thrown where nothing is in the way. */
export function callSafely(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
