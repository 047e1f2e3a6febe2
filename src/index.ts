// The exports of 'tft-tensorrt'.

export type { AbortSignalLike } from './batching/abort.js';
export type { Kernels } from './batching/backend.js';
export type { BackendCounters, EngineCounters } from './batching/counters.js';
export { DURATION_BOUNDS, type DurationCounts } from './batching/durations.js';
export { type BuildEngineOptions, type BuiltEngine, buildEngine } from './builder/build-engine.js';
export type { BuildOptions, Profile } from './builder/build-options.js';
export type { BuildProgress, OnBuildProgress } from './builder/progress.js';
export { TFTError, type TFTErrorCode, type TFTErrorOptions } from './contract/errors.js';
export {
  type AttentionPart,
  binAttention,
  type ExplainedModel,
  Explanation,
  type VariableWeight,
} from './contract/explanation.js';
export { Forecast, type ForecastAbout } from './contract/forecast.js';
export type { FurtherOutput } from './contract/further-output.js';
export { emptyInputs, type ForecastInputs } from './contract/inputs.js';
export type { Log, LogEntry } from './contract/log.js';
export {
  type BundleFile,
  type Category,
  type KnownFeature,
  type LoadModelOptions,
  loadModel,
  type Metric,
  type ModelDescription,
  readBundleFile,
} from './contract/model.js';
export { BACKENDS, type BackendName, LOCAL_BACKENDS, PRECISIONS, type Precision } from './contract/names.js';
export { ownVersion } from './contract/own-version.js';
export { SeriesForecast } from './contract/series-forecast.js';
export type { SizedModel } from './contract/tensors.js';
export { type EngineInfo, TFTEngine, type WarmupOptions } from './engine.js';
export { type FleetForecastOptions, forecastFleet } from './fleet/forecast.js';
export { FleetForecast, type ForecastOptions, type RanBy, ServerForecast } from './fleet-forecast.js';
export type { StreamOptions } from './forecast-stream.js';
export * from './history/index.js';
export type {
  LibTorchLoadOptions,
  LoadOptions,
  OnnxRuntimeLoadOptions,
  PredictOptions,
  RemoteLoadOptions,
  TensorRtLoadOptions,
} from './options.js';
