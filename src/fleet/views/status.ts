// GET /fleet/status: the daemon itself.
import { ownVersion } from '../../contract/own-version.js';
import type { ServedModel } from '../../service/index.js';
import type { FleetStatus } from '../api.js';
import type { Fleet } from '../fleet.js';
import { isoTime } from './outlooks.js';

export function fleetStatus(fleet: Fleet, served: ServedModel | undefined): FleetStatus {
  const { due, forecasts, failures, lastError } = fleet.loop.counts;
  const info = served?.engine.info;
  let oldest = Number.POSITIVE_INFINITY;
  for (const [place] of fleet.roster) {
    const madeAt = fleet.latest.madeAt(place);
    if (Number.isFinite(madeAt) && fleet.standings.state(place) === 'ready')
      oldest = Math.min(oldest, madeAt);
  }
  return {
    version: ownVersion(),
    startedAt: isoTime(fleet.startedAt),
    engine:
      info === undefined
        ? null
        : { ready: true, backend: info.backend, device: info.device, maxBatch: info.maxBatch },
    queue: {
      due,
      oldestSeconds: Number.isFinite(oldest) ? Math.max(0, (fleet.clock.now() - oldest) / 1000) : null,
      forecasts,
      failures,
      lastError,
    },
    store: fleet.keeper.status,
    memoryBytes: fleet.ring.bytes + fleet.latest.bytes,
    sources: fleet.sources.map(({ status }) => status),
    receivers: fleet.receivers.map(({ status }) => status),
    ingestion: fleet.intake.counters,
    shard: fleet.settings.shard ?? null,
  };
}
