// Owns the served model: loads it while the service already responds, and replaces it by a new version without losing a
// request.
import type { EngineCounters } from '../batching/counters.js';
import { TFTError } from '../contract/errors.js';
import { type ModelTensors, modelTensors } from '../contract/tensors.js';
import { TFTEngine } from '../engine.js';
import type { LoadOptions } from '../options.js';
import type { ServiceConfig } from './config/schema.js';
import { refusal } from './http/http-error.js';
import { findModel, type ModelSource } from './model-source.js';
import type { ServiceLog } from './observe/logging.js';

/** A loaded model with the facts that requests need. */
export interface ServedModel {
  readonly engine: TFTEngine;
  readonly name: string;
  readonly version: string;
  readonly tensors: ModelTensors;
  /** The number of values of one series in all inputs together. */
  readonly valuesPerSeries: number;
}

/** The state that /v2/health/ready and the metrics show. */
export interface HostState {
  readonly phase: 'loading' | 'ready' | 'failed' | 'stopping';
  readonly reason: string;
}

interface Held {
  readonly model: ServedModel;
  users: number;
  retired: boolean;
}

type Settings = Pick<
  ServiceConfig,
  | 'model'
  | 'name'
  | 'backend'
  | 'precision'
  | 'explain'
  | 'maxBatch'
  | 'threads'
  | 'nice'
  | 'onnxruntime'
  | 'tensorrt'
  | 'libtorch'
  | 'cache'
  | 'build'
  | 'check'
  | 'queueLimit'
>;

/** `gone` is called with a closed model and its last counters. */
export interface HostEvents {
  gone?(model: ServedModel, counters: EngineCounters): void;
}

/** Loads, holds, replaces and closes models. */
export class ModelHost {
  readonly #settings: Settings;
  readonly #log: ServiceLog;
  readonly #events: HostEvents;
  /** The current model is last; those before it finish their requests. */
  #held: Held[] = [];
  #state: HostState = { phase: 'loading', reason: 'the model is being loaded' };
  #loading: Promise<ServedModel> | undefined;
  /** The load that follows the running one. */
  #next: Promise<ServedModel> | undefined;
  #fatal: Error | undefined;

  constructor(settings: Settings, log: ServiceLog, events: HostEvents = {}) {
    this.#settings = settings;
    this.#log = log;
    this.#events = events;
  }

  get state(): HostState {
    return this.#state;
  }

  /** Set if the process can no longer serve and must be restarted. */
  get fatal(): Error | undefined {
    return this.#fatal;
  }

  /** The model for new requests. */
  get current(): ServedModel | undefined {
    const last = this.#held.at(-1);
    return last === undefined || last.retired ? undefined : last.model;
  }

  /** All open models: the current one and those that finish their requests. */
  get live(): readonly ServedModel[] {
    return this.#held.map(({ model }) => model);
  }

  /**
   * Loads the model from its path and replaces the current one, which finishes its requests. One load runs at a time; if it
   * fails, the current model stays. Calls during a load share one further load, because the running one may have read the
   * files already.
   *
   * @throws TFTError as TFTEngine.load.
   */
  load(): Promise<ServedModel> {
    if (this.#loading === undefined) {
      this.#loading = this.#load().finally(() => {
        this.#loading = undefined;
      });
      return this.#loading;
    }
    const begin = () => {
      this.#next = undefined;
      return this.load();
    };
    this.#next ??= this.#loading.then(begin, begin);
    return this.#next;
  }

  /** Calls `use` with the current model, which is not closed before `use` has ended. */
  async lend<T>(use: (model: ServedModel) => Promise<T>): Promise<T> {
    const held = this.#held.at(-1);
    if (held === undefined || held.retired) {
      throw refusal('ERR_TFT_HTTP_NOT_READY', this.#state.reason, { retryAfter: 5 });
    }
    held.users++;
    try {
      return await use(held.model);
    } catch (error) {
      if (error instanceof TFTError && error.code === 'ERR_TFT_DEVICE_LOST') this.#lost(error);
      throw error;
    } finally {
      held.users--;
      if (held.retired && held.users === 0) void this.#close(held);
    }
  }

  /** Ends readiness. Requests that still arrive are served. */
  stopping(): void {
    this.#state = { phase: 'stopping', reason: 'the service is stopping' };
  }

  /** Closes every model after its requests have finished. */
  async close(): Promise<void> {
    this.stopping();
    // A load that would follow is refused by now.
    await this.#loading?.catch(() => {});
    await this.#next?.catch(() => {});
    await Promise.all(this.#held.map((held) => this.#close(held)));
  }

  async #load(): Promise<ServedModel> {
    const stopping = this.#state.phase === 'stopping';
    if (stopping) throw refusal('ERR_TFT_HTTP_NOT_READY', this.#state.reason);
    const first = this.#held.length === 0;
    if (first) this.#state = { phase: 'loading', reason: 'the model is being loaded' };
    try {
      const source = findModel(this.#settings.model);
      const model = await this.#open(source, first);
      const before = this.#held.at(-1);
      this.#held.push({ model, users: 0, retired: false });
      if (this.#state.phase !== 'stopping') this.#state = { phase: 'ready', reason: '' };
      this.#log.info(
        { model: model.name, version: model.version, ...summary(model.engine) },
        before ? 'the new model serves' : 'ready',
      );
      if (before) this.#retire(before);
      return model;
    } catch (error) {
      // Everyone may read the readiness state, so it must not contain paths and the like.
      const code = error instanceof TFTError ? error.code : 'an internal error';
      if (first)
        this.#state = { phase: 'failed', reason: `the model cannot be loaded (${code}); the log says why` };
      this.#log.error(
        { err: error },
        first ? 'the model cannot be loaded' : 'reload failed; the old model stays',
      );
      throw error;
    }
  }

  async #open({ path, version }: ModelSource, first: boolean): Promise<ServedModel> {
    const {
      backend,
      precision,
      explain,
      maxBatch,
      threads,
      nice,
      onnxruntime,
      tensorrt,
      libtorch,
      cache,
      build,
      check,
      queueLimit,
      name,
    } = this.#settings;
    const tell = (reason: string) => {
      // Everyone can read this: never a line of the log, which may name paths.
      if (first && this.#state.phase === 'loading') this.#state = { phase: 'loading', reason };
    };
    const engine = await TFTEngine.load(path, {
      backend,
      precision,
      explain,
      maxBatch,
      threads,
      nice,
      queueLimit,
      // TFTEngine.load checks its keys and names unknown ones.
      onnxruntime: onnxruntime as LoadOptions['onnxruntime'],
      tensorrt: tensorrt as LoadOptions['tensorrt'],
      libtorch: libtorch as LoadOptions['libtorch'],
      log: ({ level, message }) => {
        this.#log[level]({ part: 'engine' }, message);
      },
      onProgress: ({ phase, share }) =>
        tell(`the engine is being built: ${phase}, ${Math.round(100 * share)} %`),
      cache,
      build: build as LoadOptions['build'],
      check,
    });
    try {
      await engine.warmup();
      const tensors = modelTensors(engine.model);
      return {
        engine,
        name: name ?? engine.model.name,
        version,
        tensors,
        valuesPerSeries: tensors.inputs.reduce((sum, { size }) => sum + size, 0),
      };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  #retire(held: Held): void {
    held.retired = true;
    if (held.users === 0) void this.#close(held);
  }

  async #close(held: Held): Promise<void> {
    held.retired = true;
    const { engine, name, version } = held.model;
    try {
      await engine.close();
    } catch (error) {
      this.#log.error({ err: error, model: name, version }, 'a model could not be closed');
    }
    if (!this.#held.includes(held)) return;
    this.#held = this.#held.filter((other) => other !== held);
    this.#events.gone?.(held.model, engine.counters());
    this.#log.info({ model: name, version }, 'closed');
  }

  #lost(error: TFTError): void {
    this.#fatal ??= error;
    if (this.#state.phase === 'stopping') return;
    this.#state = { phase: 'failed', reason: `${error.message}; the process must be restarted` };
  }
}

function summary({ info }: TFTEngine) {
  const { backend, device, precision, maxBatch, origin, why } = info;
  return { backend, device, precision, maxBatch, origin, why };
}
