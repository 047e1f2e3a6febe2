// The receivers that the settings name.
import type { ServiceLog } from '../../service/index.js';
import { Endpoint } from '../endpoint.js';
import type { Fleet } from '../fleet.js';
import type { ForecastSeriesSet } from '../forecast-series.js';
import { RemoteWriter } from './remote-writer.js';
import { WriteQueue } from './write-queue.js';

/** The path of Prometheus's own receiver, and of most others. */
const DEFAULT_PATH = '/api/v1/write';

/**
 * @returns undefined where forecasts are written to no receiver.
 * @throws TFTError ERR_TFT_OPTION for an invalid address or header.
 */
export function remoteWriter(
  fleet: Fleet,
  forecasts: ForecastSeriesSet,
  log: ServiceLog,
): RemoteWriter | undefined {
  const { remoteWriteTo, remoteWriteToTokenFile, remoteWriteToHeaders, remoteWriteToTimeoutSeconds } =
    fleet.settings;
  if (remoteWriteTo.length === 0) return undefined;
  const queues = remoteWriteTo.map((url) => {
    const endpoint = new Endpoint({
      url,
      tokenFile: remoteWriteToTokenFile,
      headers: remoteWriteToHeaders,
      setting: 'remoteWriteTo',
      example: 'http://localhost:9090/api/v1/write',
    });
    if (endpoint.url.pathname === '/') endpoint.url.pathname = DEFAULT_PATH;
    return new WriteQueue({
      endpoint,
      timeoutMs: 1000 * remoteWriteToTimeoutSeconds,
      onProblem: (error) => log.warn({ err: error, code: error.code, part: 'fleet' }, error.message),
      onRecovery: () => log.info({ part: 'fleet' }, `${endpoint.shownUrl} takes forecasts again`),
    });
  });
  fleet.receivers.push(...queues);
  return new RemoteWriter(fleet, forecasts, queues);
}
