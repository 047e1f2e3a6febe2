// TFTEngine, the public face: loads a model onto a backend, checks requests and returns forecasts.

import { selectBackend } from './backends/select.js';
import { aborted } from './batching/abort.js';
import type { Backend, Kernels } from './batching/backend.js';
import type { EngineCounters } from './batching/counters.js';
import { Durations } from './batching/durations.js';
import type { Results } from './batching/request.js';
import { readChannels } from './builder/onnx-file.js';
import { describePlan } from './builder/plan-file.js';
import { TFTError } from './contract/errors.js';
import { explainedBy } from './contract/explanation.js';
import { Forecast, type ForecastAbout } from './contract/forecast.js';
import { inRequest } from './contract/input-error.js';
import { type AcceptedInputs, Contract, emptyInputs, type ForecastInputs } from './contract/inputs.js';
import { type Located, locate, type RemoteAddress, remoteAddress } from './contract/locate.js';
import type { Log } from './contract/log.js';
import { describeModel, loadModel, type ModelDescription } from './contract/model.js';
import type { BackendName, Precision } from './contract/names.js';
import { ownVersion } from './contract/own-version.js';
import { clipValues, sortSteps, type ValueRange } from './contract/quantiles.js';
import { targetOf } from './contract/target.js';
import { emptyValues, type Values } from './contract/tensors.js';
import { typeName } from './contract/typed-array.js';
import { type FleetForecast, type ForecastOptions, forecastWindows } from './fleet-forecast.js';
import { type StreamOptions, streamForecasts } from './forecast-stream.js';
import type { FleetHistory, HistoryRow } from './history/index.js';
import { inspectPlan } from './native/inspect-plan.js';
import {
  checkLoadOptions,
  checkPredictOptions,
  type LoadOptions,
  NONE,
  type PredictOptions,
} from './options.js';

export type { Log, LogEntry } from './contract/log.js';
export type { BackendName, Precision } from './contract/names.js';
export type { LoadOptions, PredictOptions } from './options.js';

/** The backend, device, versions and settings that a model runs with. */
export interface EngineInfo {
  readonly backend: BackendName;
  /** The processor, or the GPUs. */
  readonly device: string;
  /** Versions of this package, of Node and of the backend's libraries. */
  readonly versions: Readonly<Record<string, string>>;
  /** 'unknown' for a plan if neither its record, nor its name, nor the option says. */
  readonly precision: Precision | 'unknown';
  /** The largest number of series in one run. */
  readonly maxBatch: number;
  /** The largest number of series that may wait. */
  readonly queueLimit: number;
  /** Threads that compute; with TensorRT its lanes; of a model on servers the requests that may be under way. */
  readonly threads: number;
  /** Why this backend was chosen. */
  readonly why: string;
  /** The file that runs. */
  readonly origin: string;
  /** Of a model on servers: their addresses. */
  readonly endpoints?: readonly string[];
  /** With TensorRT, where the engine comes from: a plan file, the cache, or built while loading. */
  readonly engine?: 'file' | 'cache' | 'built';
  /** With TensorRT whether the engine's forecasts of the bundle's sample windows were compared with PyTorch's. */
  readonly checked?: boolean;
  /** With ONNX Runtime in the addon: what this package's kernels run; absent if they run nothing. */
  readonly kernels?: Kernels;
}

/** Options of {@link TFTEngine.warmup}. */
export interface WarmupOptions {
  /** The batch sizes to run; 1 and the maximum by default. */
  batches?: readonly number[] | undefined;
}

/** Closes the backends of engines that were garbage-collected; otherwise their threads would live as long as the program. */
const dropped = new FinalizationRegistry<Backend>((backend) => void backend.close().catch(() => {}));

/**
 * A loaded model that forecasts.
 *
 * ```ts
 * await using engine = await TFTEngine.load('demo');
 * const forecast = await engine.predict({ encoderCont, encoderCat, decoderCont, decoderCat });
 * forecast.quantile(0.5); // the median, [batch, horizon]
 * ```
 */
export class TFTEngine {
  /** What the model expects and predicts. */
  readonly model: ModelDescription;
  /** The backend, device, versions and settings that it runs with. */
  readonly info: EngineInfo;
  readonly #backend: Backend;
  readonly #contract: Contract;
  readonly #about: ForecastAbout;
  readonly #range: ValueRange;
  readonly #durations = new Durations();
  #closed: Promise<void> | undefined;

  private constructor(model: ModelDescription, contract: Contract, info: EngineInfo, backend: Backend) {
    this.model = model;
    this.info = info;
    this.#backend = backend;
    this.#contract = contract;
    dropped.register(this, backend, this);
    const { unit, range } = targetOf(model);
    this.#about = Object.freeze({
      target: model.target,
      unit,
      stepMinutes: model.stepMinutes,
      sorted: false,
      clipped: false,
      explained: explainedBy(model),
    });
    this.#range = range;
  }

  /**
   * Loads a model.
   *
   * @param path a bundle folder; 'demo' for the model in this package; an ONNX file or a TorchScript module (.ts.pt) with
   *   model.json in the same folder; or a TensorRT plan (.engine or .plan), described by model.json in its folder, else by its
   *   own tensors and the option `quantiles`; or `kserve://host:8000/MODEL`, a model on a server that speaks KServe v2 (over gRPC
   *   `kserve+grpc://host:8001/MODEL`), described by the option `bundle`. Several servers of one model are separated by commas or given as an array of addresses.
   * @throws TFTError ERR_TFT_OPTION, ERR_TFT_MODEL_NOT_FOUND, ERR_TFT_MODEL_INVALID, ERR_TFT_MODEL_HASH,
   *   ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_UNSUPPORTED; with TensorRT also ERR_TFT_NO_CUDA_DRIVER,
   *   ERR_TFT_NO_CUDA_DEVICE, ERR_TFT_TENSORRT_NOT_FOUND, ERR_TFT_TENSORRT_VERSION, ERR_TFT_PLAN_INVALID,
   *   ERR_TFT_PLAN_MISMATCH, ERR_TFT_PLAN_WRONG, ERR_TFT_ENGINE_STALE, ERR_TFT_OUT_OF_MEMORY, ERR_TFT_DEVICE_LOST; if an
   *   engine is built ERR_TFT_BUILD, ERR_TFT_ABORTED; of a server ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED,
   *   ERR_TFT_REMOTE_MISMATCH, ERR_TFT_REMOTE_ANSWER.
   */
  static async load(path: string | readonly string[], options: LoadOptions = {}): Promise<TFTEngine> {
    const { quantiles, bundle, explain, ...wanted } = checkLoadOptions(options);
    const { log, queueLimit } = wanted;
    const address = remoteAddress(path);
    const description = descriptionOf(path, address, bundle);
    const located = locate(description);
    const read = { ...wanted, quantiles, explain, isRemote: address !== undefined };
    const model = await withReadAhead(await readModel(description, located, read), log);
    const contract = new Contract(model);
    const { backend, why } = await selectBackend({ ...wanted, located, address, model, contract });
    const { name, ...described } = backend.info;
    const info: EngineInfo = Object.freeze({
      ...described,
      backend: name,
      versions: Object.freeze({
        'tft-tensorrt': ownVersion(),
        node: process.versions.node,
        ...described.versions,
      }),
      maxBatch: backend.maxBatch,
      queueLimit,
      why,
      origin: backend.origin,
    });
    log({
      level: 'info',
      message: `model '${model.name}' loaded from ${info.origin}: ${info.backend} on ${info.device}, ${info.precision}`,
    });
    if (wanted.precision !== undefined && wanted.precision !== info.precision) {
      log({
        level: 'warn',
        message: `${wanted.precision} was asked for, and the model runs in ${info.precision}: ${why}`,
      });
    }
    return new TFTEngine(model, contract, info, backend);
  }

  /**
   * Whether the option `borrow` lends: the engine then reads the inputs until the promise settles. With worker threads and servers it has
   * no effect, and they are copied before `predict` returns.
   */
  get lends(): boolean {
    return this.#backend.lends;
  }

  /**
   * Forecasts a batch of series. The inputs are copied before this returns, so the caller may reuse them at once, unless
   * `borrow` lends them until the promise settles. A batch larger than `info.maxBatch` runs in parts.
   *
   * @throws TFTError ERR_TFT_INPUT_…, ERR_TFT_OPTION, ERR_TFT_OUTPUT_BUFFER, ERR_TFT_ABORTED,
   *   ERR_TFT_DEADLINE, ERR_TFT_QUEUE_FULL, ERR_TFT_CLOSED, ERR_TFT_BACKEND_LOST, ERR_TFT_RUN, ERR_TFT_REMOTE_…;
   *   always by rejecting.
   */
  async predict(inputs: ForecastInputs, options: PredictOptions = NONE): Promise<Forecast> {
    const accepted = this.#contract.accept(inputs);
    const results = await this.#submit([accepted], accepted.batch, options, false);
    return this.#forecast(results, accepted.batch, options);
  }

  /**
   * Forecasts separate requests together, each of any batch, packed into as few runs as possible. If one is invalid none
   * runs, and the error names its index.
   *
   * @param requests at least one. With `out`, the forecasts are consecutive parts of it.
   * @returns a forecast for each request, in order.
   * @throws TFTError as `predict`; `details.request` is the index of the invalid request.
   */
  async predictBatch(
    requests: readonly ForecastInputs[],
    options: PredictOptions = NONE,
  ): Promise<Forecast[]> {
    if (!Array.isArray(requests)) {
      throw new TFTError(
        'ERR_TFT_INPUT_TYPE',
        `the requests: found ${typeName(requests)}, expected an Array of inputs`,
      );
    }
    if (requests.length === 0) {
      throw new TFTError('ERR_TFT_INPUT_EMPTY', 'the list of requests is empty; at least one is expected');
    }
    const list = Array.from(requests as readonly ForecastInputs[], (inputs, index) => {
      try {
        return this.#contract.accept(inputs);
      } catch (error) {
        throw inRequest(error, index);
      }
    });
    const series = list.reduce((sum, inputs) => sum + inputs.batch, 0);
    const results = await this.#submit(list, series, options, true);
    let from = 0;
    return list.map(({ batch }) => {
      const start = from;
      from += batch;
      // Parts of the caller's `out` are views. Ours are copies, so that keeping one forecast keeps no other alive.
      const parts = this.#contract.tensors.outputs.map(({ size }, output) => {
        const values = results[output] as Values;
        const isShared = output === 0 && options.out !== undefined;
        return isShared
          ? values.subarray(start * size, from * size)
          : values.slice(start * size, from * size);
      });
      return this.#forecast(parts as unknown as Results, batch, options);
    });
  }

  /**
   * Forecasts every server of a history, with names, times and warnings. Servers that cannot be forecast are listed in
   * `refused`. Quantiles are put in order and kept within the target's range; `sorted: false, clipped: false` gives the
   * network's own numbers.
   *
   * ```ts
   * const history = await readHistory('metrics.csv', engine.model);
   * for (const one of await engine.forecast(history)) console.log(one.server, one.times, one.quantile(0.9));
   * ```
   *
   * @throws TFTError ERR_TFT_HISTORY_EMPTY, ERR_TFT_OPTION, and as `predict`.
   */
  async forecast(history: FleetHistory, options: ForecastOptions = {}): Promise<FleetForecast> {
    const { at, servers } = options;
    return forecastWindows(this, history.windows({ at, servers }), options);
  }

  /**
   * Forecasts while rows come: a forecast for each step of the model's grid that is complete, of the servers that had rows
   * in it and have enough history. The rows are taken no faster than they are forecast.
   *
   * ```ts
   * for await (const forecast of engine.forecastStream(rows)) publish(forecast.toJSON());
   * ```
   *
   * @param rows in order of time, as `FleetHistory.add` takes them.
   * @throws TFTError ERR_TFT_HISTORY_COLUMN, ERR_TFT_HISTORY_VALUE, and as `predict`.
   */
  forecastStream(
    rows: AsyncIterable<HistoryRow> | Iterable<HistoryRow>,
    options: StreamOptions = {},
  ): AsyncGenerator<FleetForecast, void, undefined> {
    return streamForecasts(this, rows, options);
  }

  /**
   * Forecasts and blocks until the result is there: the lowest latency, for scripts and worker threads. With ONNX Runtime where the
   * addon runs it, as it does by default where the addon is; its worker threads, and servers, refuse it with ERR_TFT_UNSUPPORTED.
   *
   * @throws TFTError as `predict`, by throwing; ERR_TFT_UNSUPPORTED on the other backends.
   */
  predictSync(inputs: ForecastInputs, options: PredictOptions = NONE): Forecast {
    if (this.#backend.runSync === undefined) {
      throw new TFTError(
        'ERR_TFT_UNSUPPORTED',
        `the backend '${this.info.backend}' does not offer predictSync${
          this.info.backend === 'onnxruntime' ? ' in worker threads, without the native addon' : ''
        }; await predict instead`,
      );
    }
    const accepted = this.#contract.accept(inputs);
    const length = accepted.batch * this.#contract.width;
    const { signal, out } = checkPredictOptions(options, length);
    if (signal?.aborted) throw aborted(signal);
    const results = this.#contract.tensors.outputs.map((tensor, index) =>
      index === 0 && out ? out : emptyValues(tensor, accepted.batch),
    ) as unknown as Results;
    this.#backend.runSync(accepted, results);
    return this.#forecast(results, accepted.batch, options);
  }

  /** Runs inputs of zeros, so that the first real request does not pay for what first runs set up. */
  async warmup(options: WarmupOptions = {}): Promise<void> {
    if (options.batches === undefined && this.#backend.warmup) return this.#backend.warmup();
    for (const batch of options.batches ?? [1, this.info.maxBatch]) {
      if (!Number.isInteger(batch) || batch < 1) {
        throw new TFTError(
          'ERR_TFT_OPTION',
          `batches: found ${String(batch)}, expected whole numbers from 1`,
        );
      }
      await this.predict(emptyInputs(this.model, batch));
    }
  }

  /** Totals since the engine was loaded, and the current queue. For metrics. */
  counters(): EngineCounters {
    return { ...this.#backend.counters(), durations: this.#durations.totals };
  }

  /** Finishes running and waiting requests, refuses new ones, then frees the model. It may be called more than once. */
  close(): Promise<void> {
    dropped.unregister(this);
    this.#closed ??= this.#backend.close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #submit(
    list: readonly AcceptedInputs[],
    series: number,
    options: PredictOptions,
    numbered: boolean,
  ): Promise<Results> {
    const checked = checkPredictOptions(options, series * this.#contract.width);
    if (checked.signal?.aborted) throw aborted(checked.signal);
    const begin = performance.now();
    const results = await this.#backend.submit(list, checked, numbered);
    this.#durations.add(performance.now() - begin);
    return results;
  }

  #forecast([data, ...further]: Results, batch: number, { sorted, clipped }: PredictOptions): Forecast {
    const { horizon, quantiles } = this.model;
    const shape = [batch, horizon, quantiles.length] as const;
    if (sorted) sortSteps(data, quantiles.length);
    if (clipped) clipValues(data, this.#range);
    const about = sorted || clipped ? { ...this.#about, sorted, clipped } : this.#about;
    if (further.length === 0) return new Forecast(data, shape, quantiles, undefined, about);
    const outputs = this.#contract.tensors.outputs.slice(1).map(({ name, steps, channels }, index) => {
      return [name, { data: further[index] as Values, shape: [batch, steps, channels] as const }] as const;
    });
    return new Forecast(data, shape, quantiles, Object.fromEntries(outputs), about);
  }
}

/**
 * Finds the categories that the graph reads ahead although model.json does not say so, as bundles of early versions do. One
 * whose channel is picked by name, as the exporter does it, is known ahead; of a graph that reads all channels together it
 * is only possible, see ModelDescription.readAhead.
 */
async function withReadAhead(model: ModelDescription, log: Log): Promise<ModelDescription> {
  const { categories, onnxPath } = model;
  const isVarying = categories.map(({ role }) => role === 'varying');
  // What knows the role 'known' also says so.
  if (onnxPath === '' || !isVarying.includes(true) || categories.some(({ role }) => role === 'known'))
    return model;
  // A plan needs no ONNX file; whether another backend can read the file is that backend's to say.
  const channels = await readChannels(onnxPath, 'decoder_cat').catch((): number[] => []);
  const isRead = categories.map(
    (_, channel) => isVarying[channel] && (channels === 'all' || channels.includes(channel)),
  );
  const names = categories.filter((_, channel) => isRead[channel]).map(({ name }) => name);
  if (names.length === 0) return model;
  if (channels === 'all') return Object.freeze({ ...model, readAhead: Object.freeze(names) });
  log({
    level: 'warn',
    message:
      `model.json of '${model.name}' does not say that ${names.join(', ')} must be known ahead, but its graph reads the values ` +
      'of the steps ahead; export it again',
  });
  const known = categories.map((category, channel) =>
    isRead[channel] ? Object.freeze({ ...category, role: 'known' as const }) : category,
  );
  return Object.freeze({ ...model, categories: Object.freeze(known) });
}

/** A model's description: from model.json, or from the plan's own tensors if there is none. */
async function readModel(
  path: string,
  located: Located,
  {
    quantiles,
    verifyHash,
    tensorrt,
    explain,
    isRemote,
  }: Pick<LoadOptions, 'quantiles' | 'verifyHash' | 'tensorrt' | 'explain'> & { readonly isRemote: boolean },
): Promise<ModelDescription> {
  const { kind, path: plan, isDescribed } = located;
  if (kind === 'plan' && !isDescribed && !isRemote) {
    if (explain) {
      throw new TFTError(
        'ERR_TFT_OPTION',
        `explain: ${plan} has no model.json beside it, which says what its outputs explain`,
      );
    }
    return describePlan(plan, await inspectPlan(plan, tensorrt), quantiles);
  }
  if (quantiles !== undefined) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      'quantiles: model.json has them; the option is for plans without one',
    );
  }
  return isRemote ? describeModel(located, explain) : loadModel(path, { verifyHash, explain });
}

/** What describes the model: the path itself, or for a model on servers the bundle. */
function descriptionOf(
  path: string | readonly string[],
  address: RemoteAddress | undefined,
  bundle: string | undefined,
): string {
  if ((address === undefined) === (bundle === undefined)) return bundle ?? (path as string);
  throw new TFTError(
    'ERR_TFT_OPTION',
    address === undefined
      ? 'bundle: the option is for models on servers, such as kserve://host:8000/MODEL; the path itself names a bundle'
      : `bundle: the option is missing; it names the folder whose model.json describes the model '${address.model}'`,
  );
}
