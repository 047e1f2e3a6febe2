// Lets a process exit at any moment, even while a worker thread is inside a native call.
//
// Node stops its workers when the process exits. A worker that is inside onnxruntime's native code at that moment
// returns into a JavaScript engine that has been shut down and throws a C++ exception that nothing can catch, so the
// process aborts (code 134). Therefore the main thread's 'exit' listener forbids new native calls and waits, without
// the event loop, for the call in progress, which lasts milliseconds.
//
// The two flags are in shared memory. Each side first writes its own flag and then reads the other's, so at least one
// of them sees the other.

/** A worker is inside a native call. */
const INSIDE = 0;
/** The process is exiting: no more native calls. */
const EXITING = 1;

/** The process does not wait longer than this for a call, even though it may then abort. */
const MAX_WAIT_MS = 30_000;

/** Shared flags between the main thread and one worker. */
export type ExitGuard = Int32Array<SharedArrayBuffer>;

const guards = new Set<ExitGuard>();

/** On the main thread: a guard for a worker about to start. */
export function raiseGuard(): ExitGuard {
  // Prepended, because an earlier listener that calls process.exit() would keep it from running.
  if (guards.size === 0) process.prependListener('exit', waitForNativeCalls);
  const guard: ExitGuard = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  guards.add(guard);
  return guard;
}

/** On the main thread: call it when the worker has ended. */
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
