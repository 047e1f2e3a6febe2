// What `import … from 'tft-tensorrt'` offers.
export type { BackendName, Log, LogEntry, Precision } from './backends/backend.js';
export { type BuildEngineOptions, type BuiltEngine, buildEngine } from './builder/build-engine.js';
export type { BuildOptions, Profile } from './builder/build-options.js';
export type { BuildProgress, OnBuildProgress } from './builder/progress.js';
export type { ForecastInputs } from './contract.js';
export type { EngineCounters } from './counters.js';
export { type EngineInfo, TFTEngine, type WarmupOptions } from './engine.js';
export { TFTError, type TFTErrorCode, type TFTErrorOptions } from './errors.js';
export * from './fleet/index.js';
export { Forecast } from './forecast.js';
export {
  type BundleFile,
  type Category,
  type KnownFeature,
  type LoadModelOptions,
  loadModel,
  type Metric,
  type ModelDescription,
  readBundleFile,
} from './model.js';
export type { LoadOptions, PredictOptions, TensorRtLoadOptions } from './options.js';
