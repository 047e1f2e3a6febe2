// TFTEngine, the public face: loads a model onto a backend, checks requests and returns forecasts.
import type { ForecastInputs } from './contract.js';
import { TFTError } from './errors.js';
import type { Forecast } from './forecast.js';
import { loadModel, type ModelDescription } from './model.js';

/** What can run a model. */
export type BackendName = 'onnxruntime' | 'tensorrt' | 'libtorch' | 'kserve';
/** The arithmetic that a model runs in. */
export type Precision = 'fp32' | 'fp16' | 'int8';

/** A line of the engine's log. */
export interface LogEntry {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
}

/** Options of {@link TFTEngine.load}; unknown ones are refused. */
export interface LoadOptions {
  /** 'auto' (the default) takes the best that this machine has; one asked for by name never falls back. */
  backend?: 'auto' | BackendName | undefined;
  precision?: Precision | undefined;
  /** The most servers that run at once; larger requests run in parts. */
  maxBatch?: number | undefined;
  /** The most servers that may wait; a request beyond is refused with ERR_TFT_QUEUE_FULL. */
  queueLimit?: number | undefined;
  /** Threads that compute. */
  threads?: number | undefined;
  /** Receives what the engine has to say; silent without. */
  log?: ((entry: LogEntry) => void) | undefined;
  /** Whether the model file's hash is compared with model.json; true unless said otherwise. */
  verifyHash?: boolean | undefined;
}

/** Options of a prediction. */
export interface PredictOptions {
  /** Takes the request out of the queue; it rejects with ERR_TFT_ABORTED. */
  signal?: AbortSignal | undefined;
  /** Receives the result, exactly batch × horizon × quantiles values. */
  out?: Float32Array | undefined;
  /** A request that has not begun to run after this many milliseconds rejects with ERR_TFT_DEADLINE. */
  deadlineMs?: number | undefined;
}

/** What really runs. */
export interface EngineInfo {
  readonly backend: BackendName;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly precision: Precision;
  readonly maxBatch: number;
  readonly queueLimit: number;
  readonly threads: number;
  /** Why this backend. */
  readonly why: string;
  /** The file that is run. */
  readonly origin: string;
}

/** A model ready to forecast. */
export class TFTEngine {
  readonly model: ModelDescription;
  readonly info: EngineInfo;

  private constructor(model: ModelDescription, info: EngineInfo) {
    this.model = model;
    this.info = info;
  }

  static async load(path: string, _options: LoadOptions = {}): Promise<TFTEngine> {
    await loadModel(path);
    throw new TFTError('ERR_TFT_BACKEND_UNAVAILABLE', 'not built yet');
  }

  async predict(_inputs: ForecastInputs, _options: PredictOptions = {}): Promise<Forecast> {
    throw new TFTError('ERR_TFT_UNSUPPORTED', 'not built yet');
  }

  async predictBatch(_inputs: readonly ForecastInputs[], _options: PredictOptions = {}): Promise<Forecast[]> {
    throw new TFTError('ERR_TFT_UNSUPPORTED', 'not built yet');
  }

  predictSync(_inputs: ForecastInputs, _options: PredictOptions = {}): Forecast {
    throw new TFTError('ERR_TFT_UNSUPPORTED', 'not built yet');
  }

  async warmup(_options: { batches?: readonly number[] | undefined } = {}): Promise<void> {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
