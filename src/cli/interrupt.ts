// Ctrl-C: the first one cancels the running work in an orderly way, the second one ends the process at once.

/** Runs work with an AbortSignal that Ctrl-C fires. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error('interrupted'));
  process.once('SIGINT', abort);
  try {
    return await work(controller.signal);
  } finally {
    process.removeListener('SIGINT', abort);
  }
}
