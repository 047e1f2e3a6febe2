// Lets a process exit at any moment, also while a worker thread is inside a native call.
//
// Node stops its workers when the process exits. A worker that is inside onnxruntime's native code at that
// moment comes back into a JavaScript engine that has been shut down, throws a C++ exception that nobody can
// catch, and the process aborts (code 134). So the main thread's 'exit' event forbids new native calls and
// waits, without the event loop, for the one in progress, which lasts milliseconds.
//
// The two flags live in shared memory. Each side first writes its own and then reads the other's, so at least
// one of them sees the other.

/** A worker is inside a native call. */
const INSIDE = 0;
/** The process is exiting: no more native calls. */
const EXITING = 1;

/** A call that takes longer than this is not waited for, and the process may abort. */
const MAX_WAIT_MS = 30_000;

/** Shared flags between the main thread and one worker. */
export type ExitGuard = Int32Array<SharedArrayBuffer>;

const guards = new Set<ExitGuard>();

/** On the main thread: a guard for a worker about to start. */
export function raiseGuard(): ExitGuard {
  // First among the listeners: one before it that calls process.exit() would keep it from running.
  if (guards.size === 0) process.prependListener('exit', waitForNativeCalls);
  const guard: ExitGuard = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  guards.add(guard);
  return guard;
}

/** On the main thread: the worker is gone. */
export function dropGuard(guard: ExitGuard): void {
  guards.delete(guard);
  if (guards.size === 0) process.removeListener('exit', waitForNativeCalls);
}

/** In the worker: runs native code, unless the process is exiting; then it never returns. */
export async function guarded<T>(guard: ExitGuard | undefined, native: () => Promise<T>): Promise<T> {
  if (guard === undefined) return native();
  Atomics.store(guard, INSIDE, 1);
  try {
    if (Atomics.load(guard, EXITING) === 0) return await native();
  } finally {
    Atomics.store(guard, INSIDE, 0);
    Atomics.notify(guard, INSIDE);
  }
  return new Promise<never>(() => {});
}

function waitForNativeCalls(): void {
  for (const guard of guards) Atomics.store(guard, EXITING, 1);
  const deadline = performance.now() + MAX_WAIT_MS;
  for (const guard of guards) Atomics.wait(guard, INSIDE, 1, Math.max(0, deadline - performance.now()));
}
