// The daemon as an extension of the service: it starts when the service's model is loaded, and ends with the service.
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { TFTError } from '../contract/errors.js';
import type { ModelDescription } from '../contract/model.js';
import { loadColumnMap } from '../history/column-map.js';
import type { ExtensionParts, Service, ServiceExtension, ServiceLog } from '../service/index.js';
import { type Clock, ReplayClock, wallClock } from './clock.js';
import { Fleet, type FleetParts, horizonSteps } from './fleet.js';
import { ForecastSeriesSet } from './forecast-series.js';
import { registerFleetMetrics, registerForecasts } from './metrics.js';
import { pageRoutes } from './page.js';
import { remoteWriter } from './receivers/from-settings.js';
import { registerReceivers } from './receivers/metrics.js';
import type { RemoteWriter } from './receivers/remote-writer.js';
import { fleetRoutes } from './routes/routes.js';
import type { FleetSettings } from './settings.js';
import { PrometheusClient } from './sources/prometheus/client.js';
import { loadMapping } from './sources/prometheus/mapping.js';
import { type PrometheusPreview, previewPrometheus } from './sources/prometheus/preview.js';
import { PrometheusSource } from './sources/prometheus/source.js';
import { type Recording, Replay, readRecording } from './sources/replay.js';
import type { Source } from './sources/source.js';
import { LmdbStore } from './store/lmdb-store.js';
import { MemoryStore } from './store/memory-store.js';
import { FileSampleLog } from './store/sample-log.js';
import { stepEventOf } from './views/overview.js';
import { registerWatchMetrics } from './watch-metrics.js';
import { makeWatches } from './watches.js';

export interface FleetOptions {
  readonly settings: FleetSettings;
  /** Further sources of samples. */
  readonly sources?: readonly ((fleet: Fleet) => Source)[] | undefined;
  /** The machine's clock without it; with another clock, the caller also calls `advance`. */
  readonly clock?: Clock | undefined;
}

/** The daemon inside a service. */
export class FleetExtension implements ServiceExtension {
  readonly #options: FleetOptions;
  #parts: ExtensionParts | undefined;
  #fleet: Fleet | undefined;
  #writer: RemoteWriter | undefined;
  #stopped = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** The daemon, once it has started. */
  get fleet(): Fleet | undefined {
    return this.#fleet;
  }

  routes(app: FastifyInstance, parts: ExtensionParts): void {
    this.#parts = parts;
    fleetRoutes(app, parts, () => this.#fleet);
    registerFleetMetrics(parts.registry, () => this.#fleet, this.#options.settings);
    registerWatchMetrics(parts.registry, () => this.#fleet);
    registerReceivers(parts.registry, () => this.#fleet);
    try {
      pageRoutes(app);
    } catch (error) {
      parts.log.warn({ err: error, part: 'fleet' }, 'there is no page');
    }
  }

  /**
   * Begins when the service's model is loaded.
   *
   * @returns when the sources have delivered the past that they have, and it has been forecast.
   * @throws TFTError as loading does.
   */
  async begin(service: Service): Promise<Fleet> {
    await service.loaded;
    const { host, log, registry } = this.#parts as ExtensionParts;
    const { settings, sources = [] } = this.#options;
    const model = host.current?.engine.model as ModelDescription;
    const repeated = readAheadOf(model);
    if (repeated.length > 0) {
      log.warn(
        { part: 'fleet' },
        `samples say nothing of the steps ahead, which the model reads: ${repeated.join(', ')} keep their last value there`,
      );
    }
    const recording = settings.replay === undefined ? undefined : await recordingOf(settings, model);
    const replayClock = recording && new ReplayClock(recording.rows[0]?.time ?? 0);
    const clock = replayClock ?? this.#options.clock ?? wallClock;
    const simulated = settings.replay === DEMO && model.files.history?.simulated === true;
    const fleet = await this.#open({ model, settings, host, clock, log, simulated });
    fleet.restore();
    fleet.onRun(() => fleet.hub.send('step', () => stepEventOf(fleet)));
    const forecasts = new ForecastSeriesSet(fleet);
    registerForecasts(registry, fleet, forecasts);
    this.#writer = remoteWriter(fleet, forecasts, log);
    fleet.onRun(() => this.#writer?.write());
    this.#fleet = fleet;
    if (this.#stopped) return fleet;
    if (clock === wallClock) fleet.start();
    fleet.sources.push(...prometheusSources(fleet, log), ...sources.map((make) => make(fleet)));
    if (recording && replayClock) {
      const { speed, replayAheadHours } = settings;
      fleet.sources.push(
        new Replay(recording, fleet, replayClock, { speed, aheadMs: replayAheadHours * HOUR }),
      );
    }
    await Promise.all(fleet.sources.map((source) => source.start()));
    log.info({ part: 'fleet', servers: fleet.roster.count }, 'the daemon forecasts');
    return fleet;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#fleet?.stop();
    await this.#writer?.close();
  }

  async close(): Promise<void> {
    await this.#fleet?.close();
  }

  async #open(parts: Omit<FleetParts, 'store' | 'sampleLog'>): Promise<Fleet> {
    const { model, settings } = parts;
    const horizons = horizonSteps(settings, model);
    const watches = await makeWatches(parts);
    if (settings.data === undefined) {
      const [metrics, quantiles] = [model.metrics.length, model.quantiles.length];
      return new Fleet({ ...parts, ...watches, store: new MemoryStore({ metrics, quantiles, horizons }) });
    }
    const flush = settings.durability === 'disk';
    const store = new LmdbStore({ path: settings.data, model, horizons, flush });
    const sampleLog = new FileSampleLog({
      path: join(settings.data, 'samples'),
      metrics: model.metrics.length,
      categories: model.categories.length,
      flush,
    });
    return new Fleet({ ...parts, ...watches, store, sampleLog });
  }
}

function prometheusSources(fleet: Fleet, log: ServiceLog): Source[] {
  const { settings, model } = fleet;
  if (settings.prometheus.length === 0) return [];
  const mapping = loadMapping(settings.mapping, model);
  return settings.prometheus.map((url) => {
    const client = prometheusClient(url, settings);
    return new PrometheusSource(client, mapping, fleet, log);
  });
}

/**
 * The result of the mapping for each Prometheus of the settings, by address.
 *
 * @throws TFTError ERR_TFT_OPTION where there is none, ERR_TFT_FILE where one does not answer.
 */
export async function previewSources(
  settings: FleetSettings,
  model: ModelDescription,
): Promise<ReadonlyMap<string, PrometheusPreview>> {
  if (settings.prometheus.length === 0) {
    throw new TFTError('ERR_TFT_OPTION', 'preview: there is no --prometheus to look at');
  }
  const mapping = loadMapping(settings.mapping, model);
  const previews = new Map<string, PrometheusPreview>();
  for (const url of settings.prometheus) {
    const client = prometheusClient(url, settings);
    try {
      previews.set(client.shownUrl, await previewPrometheus(client, mapping, model));
    } catch (cause) {
      throw new TFTError('ERR_TFT_FILE', (cause as Error).message, { cause });
    }
  }
  return previews;
}

/** @throws TFTError ERR_TFT_OPTION for what is no address. */
function prometheusClient(url: string, settings: FleetSettings): PrometheusClient {
  const { prometheusTokenFile: tokenFile, prometheusTimeoutSeconds } = settings;
  return new PrometheusClient({ url, tokenFile, timeoutMs: 1000 * prometheusTimeoutSeconds });
}

/** The bundle's own sample history. */
const DEMO = 'demo';
const HOUR = 3_600_000;

async function recordingOf(
  { replay, replayMap }: FleetSettings,
  model: ModelDescription,
): Promise<Recording> {
  const map = replayMap === undefined ? undefined : await loadColumnMap(replayMap);
  if (replay !== DEMO) return readRecording(replay as string, model, map);
  const sample = model.files.history;
  if (sample === undefined) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      "replay: the model has no sample history; name a history file instead of 'demo'",
    );
  }
  return readRecording(join(model.directory, sample.path), model, map);
}

/** What a model reads of the steps ahead, and only rows could tell. */
function readAheadOf({ categories, metrics, readAhead = [] }: ModelDescription): string[] {
  return [
    ...categories.filter(({ name, role }) => role === 'known' || readAhead.includes(name)),
    ...metrics.filter(({ ahead }) => ahead === 'given'),
  ].map(({ name }) => name);
}
