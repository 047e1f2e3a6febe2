// The backend for models on servers that speak KServe v2: checks requests as every backend does, and sends each as it is.
// Batching is the server's. The number of requests under way is limited; further ones wait here, in order of arrival.
//
// A forecast changes nothing, so it may be computed twice: a request whose endpoint does not answer goes to another one,
// within its deadline.
import type { Backend, BackendInfo } from '../../batching/backend.js';
import { type BackendCounters, Tally } from '../../batching/counters.js';
import { Deferred } from '../../batching/deferred.js';
import { queueFull } from '../../batching/queue-full.js';
import { MAX_TIMER_MS, Request, type RequestOptions, type Results } from '../../batching/request.js';
import { TFTError } from '../../contract/errors.js';
import { inRequest } from '../../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../../contract/inputs.js';
import type { RemoteAddress } from '../../contract/locate.js';
import type { Log } from '../../contract/log.js';
import type { Values } from '../../contract/tensors.js';
import { type InferMessage, inferMessage } from '../../kserve/infer-message.js';
import type { RemoteOptions } from '../load-request.js';
import { Endpoint } from './endpoint.js';
import type { Reason } from './transport.js';

export interface KserveOptions extends RemoteOptions {
  readonly maxBatch: number | undefined;
  readonly queueLimit: number;
  readonly log: Log;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_CONNECTIONS = 16;
/** Where the server does not say how much it takes. */
const DEFAULT_BATCH = 32;

/** A part of a request that one request to a server carries. */
interface Job {
  readonly request: Request;
  /** Its series, the first being the request's series `from`. */
  readonly from: number;
  readonly count: number;
  readonly message: InferMessage;
  /** When it must be answered, by performance.now(). */
  readonly deadline: number;
  /** Fires when the request has ended. */
  readonly signal: AbortSignal;
}

/** Why a job is abandoned: its request has ended. */
const ENDED = Symbol('ended');

export class KserveBackend implements Backend {
  readonly lends = false;
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #contract: Contract;
  readonly #endpoints: readonly Endpoint[];
  readonly #timeoutMs: number;
  readonly #connections: number;
  readonly #limit: number;
  readonly #tally: Tally;
  readonly #waiting: Job[] = [];
  #waitingSeries = 0;
  #running = 0;
  #retries = 0;
  /** Requests begun so far. */
  #turn = 0;
  #closed: Deferred | undefined;

  private constructor(
    address: RemoteAddress,
    contract: Contract,
    endpoints: readonly Endpoint[],
    facts: Pick<BackendInfo, 'device' | 'versions'> & { readonly maxBatch: number },
    { timeoutMs = DEFAULT_TIMEOUT_MS, connections = DEFAULT_CONNECTIONS, queueLimit }: KserveOptions,
  ) {
    const { maxBatch, device, versions } = facts;
    this.info = {
      name: 'kserve',
      device,
      versions,
      precision: 'unknown',
      threads: connections * endpoints.length,
      endpoints: Object.freeze([...address.origins]),
    };
    this.maxBatch = maxBatch;
    const isHttp = address.origins.every((origin) => origin.startsWith('http'));
    this.origin = `${address.origins.join(',')}${isHttp ? '/v2/models' : ''}/${address.model}`;
    this.#contract = contract;
    this.#endpoints = endpoints;
    this.#timeoutMs = timeoutMs;
    this.#connections = connections;
    this.#limit = queueLimit;
    this.#tally = new Tally(maxBatch);
  }

  /**
   * Connects to the servers. One that does not answer is asked again later, as long as another answers.
   *
   * @throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED, ERR_TFT_REMOTE_MISMATCH, ERR_TFT_REMOTE_ANSWER.
   */
  static async load(
    address: RemoteAddress,
    contract: Contract,
    options: KserveOptions,
  ): Promise<KserveBackend> {
    const { apiKey, ca, timeoutMs = DEFAULT_TIMEOUT_MS, connections = DEFAULT_CONNECTIONS, log } = options;
    let backend: KserveBackend | undefined;
    const endpoints = address.origins.map(
      (origin) =>
        new Endpoint(origin, {
          model: address.model,
          version: address.version,
          tensors: contract.tensors,
          apiKey,
          ca,
          timeoutMs,
          connections,
          maxBatch: options.maxBatch,
          log,
          onReturn: () => backend?.pump(),
        }),
    );
    try {
      const checks = await Promise.allSettled(endpoints.map((endpoint) => endpoint.check()));
      const failures = checks.flatMap((check) =>
        check.status === 'rejected' ? [check.reason as unknown] : [],
      );
      // A wrong key, model or bundle is a mistake, even if another server would do.
      const mistake = failures.find((error) => !isUnavailable(error));
      if (mistake !== undefined) throw mistake;
      if (failures.length === endpoints.length) throw failures[0];
      for (const [index, check] of checks.entries()) {
        if (check.status === 'rejected') endpoints[index]?.takeOut((check.reason as Error).message);
      }
      const used = endpoints.filter(({ isUsed }) => isUsed);
      const facts = await Promise.all(used.map((endpoint) => endpoint.facts()));
      const sizes = facts.flatMap(({ maxBatch }) => maxBatch ?? []);
      const servers = [...new Set(facts.map(({ server }) => server))];
      backend = new KserveBackend(
        address,
        contract,
        endpoints,
        {
          device: `${servers.join(', ')} at ${address.origins.join(', ')}`,
          versions: Object.fromEntries(facts.map(({ server, version }) => [`server ${server}`, version])),
          maxBatch: options.maxBatch ?? (sizes.length > 0 ? Math.min(...sizes) : DEFAULT_BATCH),
        },
        options,
      );
      return backend;
    } catch (error) {
      await Promise.all(endpoints.map((endpoint) => endpoint.close()));
      throw error;
    }
  }

  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results> {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
    const { signal, out, deadlineMs } = options;
    let series = 0;
    for (const { batch } of list) series += batch;
    this.#refuseWhenFull(series);
    const begin = performance.now();
    const parts = this.#pack(list, series, deadlineMs, numbered);
    this.#tally.inputMicroseconds += (performance.now() - begin) * 1000;
    const ended = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const request = new Request(series, this.#contract.tensors.outputs, { signal, out }, ({ code }) => {
      clearTimeout(timer);
      this.#tally.ended(code);
      this.#withdraw(request);
      ended.abort(ENDED);
    });
    if (deadlineMs !== undefined) {
      timer = setTimeout(() => request.fail(late(deadlineMs)), Math.min(deadlineMs, MAX_TIMER_MS));
    }
    this.#tally.accepted++;
    for (const { from, count, message } of parts) {
      const deadline = begin + (deadlineMs ?? Infinity);
      this.#waiting.push({ request, from, count, message, deadline, signal: ended.signal });
    }
    this.#waitingSeries += series;
    request.watch();
    this.pump();
    return request.promise.then((results) => {
      clearTimeout(timer);
      this.#tally.succeeded++;
      return results;
    });
  }

  counters(): BackendCounters {
    return { ...this.#tally.counters(this.#waitingSeries, this.#running), retries: this.#retries };
  }

  async close(): Promise<void> {
    this.#closed ??= new Deferred();
    this.pump();
    await this.#closed.promise;
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()));
  }

  /** Sends what waits, as far as the endpoints have room. */
  pump(): void {
    for (;;) {
      const [job] = this.#waiting;
      const endpoint = job && this.#choose([]);
      if (job === undefined || endpoint === undefined || endpoint.underWay >= this.#connections) break;
      this.#waiting.shift();
      this.#waitingSeries -= job.count;
      void this.#run(job, endpoint);
    }
    if (this.#running === 0 && this.#waiting.length === 0) this.#closed?.resolve();
  }

  /** As of the other backends, the limit is on waiting series: while nothing waits, a request of any size is accepted. */
  #refuseWhenFull(series: number): void {
    if (this.#waitingSeries === 0 || this.#waitingSeries + series <= this.#limit) return;
    this.#tally.refused++;
    throw queueFull(this.#waitingSeries, series, this.#limit);
  }

  /** The request's parts, of at most `maxBatch` series each and nearly equal. */
  #pack(
    list: readonly AcceptedInputs[],
    series: number,
    timeoutMs: number | undefined,
    numbered: boolean,
  ): { from: number; count: number; message: InferMessage }[] {
    const { inputs, outputs } = this.#contract.tensors;
    const parts = Math.ceil(series / this.maxBatch);
    let [index, used] = [0, 0];
    return Array.from({ length: parts }, (_, part) => {
      const from = Math.floor((series * part) / parts);
      const count = Math.floor((series * (part + 1)) / parts) - from;
      const message = inferMessage(inputs, outputs, count, timeoutMs);
      for (let packed = 0; packed < count; ) {
        const source = list[index] as AcceptedInputs;
        const some = Math.min(source.batch - used, count - packed);
        try {
          this.#contract.pack(source, used, some, message, packed);
        } catch (error) {
          throw numbered ? inRequest(error, index) : error;
        }
        packed += some;
        used += some;
        if (used === source.batch) [index, used] = [index + 1, 0];
      }
      return { from, count, message };
    });
  }

  #withdraw(request: Request): void {
    const kept = this.#waiting.filter((job) => job.request !== request);
    for (const job of this.#waiting) if (job.request === request) this.#waitingSeries -= job.count;
    this.#waiting.splice(0, this.#waiting.length, ...kept);
  }

  async #run(job: Job, endpoint: Endpoint): Promise<void> {
    const { request, from, count } = job;
    const tally = this.#tally;
    this.#running++;
    this.#turn++;
    request.begin();
    if (from === 0) tally.queueMicroseconds += request.waitedMs * 1000;
    const begin = performance.now();
    try {
      const outputs = await this.#answer(job, endpoint);
      const end = performance.now();
      tally.ran(count, end - begin);
      tally.inferMicroseconds += (end - begin) * 1000;
      request.answer(outputs, 0, from, count);
      tally.outputMicroseconds += (performance.now() - end) * 1000;
    } catch (error) {
      // The request may have ended already; failing it again does nothing.
      request.fail(error as TFTError);
    } finally {
      this.#running--;
      this.pump();
    }
  }

  /** Asks one endpoint after the other, each once. */
  async #answer(job: Job, first: Endpoint): Promise<readonly Values[]> {
    const { message, deadline, signal } = job;
    const asked: Endpoint[] = [];
    for (let endpoint = first; ; this.#retries++) {
      asked.push(endpoint);
      const left = deadline - performance.now();
      const isLast = asked.length >= this.#endpoints.length;
      // Of the last one the deadline itself is the limit.
      const limit = Math.max(1, Math.min(this.#timeoutMs, isLast ? Infinity : left / 2));
      try {
        return await endpoint.infer(message, limit, signal);
      } catch (error) {
        const next = signal.aborted || performance.now() >= deadline ? undefined : this.#next(error, asked);
        if (next === undefined) throw error;
        endpoint = next;
      }
    }
  }

  /** The endpoint that a failed request is sent to next, if any. */
  #next(error: unknown, asked: readonly Endpoint[]): Endpoint | undefined {
    if (!isUnavailable(error)) return undefined;
    const reason = error.details.reason as Reason;
    const isBusy = reason === 'overloaded' || reason === 'not ready';
    // Busy servers are not asked in turn by every request: that would multiply their load.
    if (isBusy && asked.length > 1) return undefined;
    const other = this.#choose(asked);
    // A server may close a connection at the moment that a request is sent on it. A new connection shows whether it runs.
    return other ?? (reason === 'connection' && asked.length === 1 ? asked[0] : undefined);
  }

  /**
   * The endpoint with the fewest requests under way, among equals each in turn; of those out of use only if no other is
   * left.
   */
  #choose(except: readonly Endpoint[]): Endpoint | undefined {
    const possible = this.#endpoints.filter((endpoint) => !except.includes(endpoint));
    const used = possible.filter(({ isUsed }) => isUsed);
    let best: Endpoint | undefined;
    const eligible = used.length > 0 ? used : possible;
    for (let index = 0; index < eligible.length; index++) {
      const endpoint = eligible[(this.#turn + index) % eligible.length] as Endpoint;
      if (best === undefined || endpoint.underWay < best.underWay) best = endpoint;
    }
    return best;
  }
}

function isUnavailable(error: unknown): error is TFTError {
  return error instanceof TFTError && error.code === 'ERR_TFT_REMOTE_UNAVAILABLE';
}

function late(deadlineMs: number): TFTError {
  return new TFTError('ERR_TFT_DEADLINE', `the request was not answered within ${deadlineMs} ms`, {
    details: { deadlineMs },
  });
}
