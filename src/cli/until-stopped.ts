// Runs the service until a signal stops it, and ends the process.
import { setFlagsFromString } from 'node:v8';
import {
  makeLog,
  Service,
  type ServiceConfig,
  type ServiceExtension,
  type ServiceLog,
  startTracing,
} from '../service/index.js';
import { FAILED, OK } from './exit-codes.js';

/**
 * How far the heap may grow between full collections, in per cent of the live memory. By V8's default, on a heap this small
 * the memory of a few dozen bodies triggers a full collection, and these then take a fifth of all time or more.
 */
const HEAP_GROWTH = '--heap-growing-percent=400';

/** How long a process that has nothing to do any more may take to end by itself. */
const LAST_MOMENT_MS = 500;

/**
 * Serves until a signal comes.
 *
 * @param extensions what is served beside forecasts.
 * @param begin what begins with the service; if it fails, the service is stopped.
 * @throws what `begin` does.
 */
export async function serveUntilStopped(
  config: ServiceConfig,
  exit: (status: number) => void,
  extensions: readonly ServiceExtension[] = [],
  begin: (service: Service) => Promise<unknown> = (service) => service.loaded,
): Promise<void> {
  setFlagsFromString(HEAP_GROWTH);
  const log = makeLog(config.logLevel);
  const stopTracing = await startTracing(process.env, log);
  const service = await Service.start(config, log, extensions);
  let finished = false;
  try {
    finished = await untilStopped(service, log, begin(service));
  } finally {
    await stopTracing();
    exit(finished ? OK : FAILED);
    // Exits explicitly, because a native library may keep threads of its own running.
    process.exitCode = finished ? OK : FAILED;
    // Nothing is left to do, but a model that still loads, or a log whose reader is stuck, would keep the process.
    setTimeout(() => process.exit(), LAST_MOMENT_MS).unref();
  }
}

/**
 * @returns whether all requests were finished.
 * @throws what keeps it from beginning.
 */
async function untilStopped(service: Service, log: ServiceLog, begun: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let signals = 0;
    const onStop = (signal: NodeJS.Signals) => {
      if (++signals > 1) {
        log.warn(`${signal} again: ended at once`);
        process.exit(FAILED);
      }
      service.stop().then(resolve);
    };
    process.on('SIGTERM', onStop).on('SIGINT', onStop);
    process.on('SIGHUP', () => {
      // The log says what failed.
      service.reload().catch(() => {});
    });
    begun.catch(async (error: unknown) => {
      // A supervisor sees the exit status and restarts the service.
      log.error({ err: error }, 'it cannot begin');
      await service.stop();
      // Also written to standard error, because the log may be what failed.
      reject(error);
    });
  });
}
