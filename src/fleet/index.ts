// The exports of 'tft-tensorrt/fleet': the daemon inside your own program.
export * from './api.js';
export { type Clock, ReplayClock, wallClock } from './clock.js';
export { FleetExtension, type FleetOptions, previewSources } from './extension.js';
export { Fleet } from './fleet.js';
export type { RunSummary } from './forecast-loop.js';
export type { Outcome, Sample } from './ingest/intake.js';
export type { ForecastBatch, ObservedFleet } from './observer.js';
export {
  type FleetSettingSources,
  type FleetSettings,
  fleetSchema,
  fleetSettings,
  printableFleetSettings,
  readFleetSettings,
} from './settings.js';
export { shardOf } from './shard.js';
export { type LoadOptions as SimulatedLoadOptions, type LoadReport, runLoad } from './simulate/load.js';
export { SimulatedFleet, type SimulatedRecord } from './simulate/simulated-fleet.js';
export type { PreviewedMetric, PrometheusPreview } from './sources/prometheus/preview.js';
export type { Source } from './sources/source.js';
export type { FleetArchive, FleetStore } from './store/store.js';
