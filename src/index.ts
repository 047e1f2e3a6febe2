// What `import … from 'tft-tensorrt'` offers.
export type { ForecastInputs } from './contract.js';
export {
  type BackendName,
  type EngineInfo,
  type LoadOptions,
  type LogEntry,
  type Precision,
  type PredictOptions,
  TFTEngine,
} from './engine.js';
export { TFTError, type TFTErrorCode, type TFTErrorOptions } from './errors.js';
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
