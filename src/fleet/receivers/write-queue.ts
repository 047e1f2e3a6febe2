// The requests that one receiver of remote write has yet to take, in their order. `put` never waits. The queue's memory is
// bounded; what it has no room for is lost, and counted.
import { TFTError } from '../../contract/errors.js';
import type { ReceiverStatus } from '../api.js';
import { Backoff, type Delivered, deliver } from '../delivery.js';
import type { Endpoint } from '../endpoint.js';
import { WRITE_HEADERS } from './write-request.js';

/** A sample takes about 15 bytes: at the default number of series, this is more than half a day of 5-minute steps. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;

/** A request with its samples packed. */
export interface PackedRequest {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly samples: number;
}

export interface WriteQueueOptions {
  readonly endpoint: Endpoint;
  readonly timeoutMs: number;
  /** The largest number of bytes that wait; 64 MiB by default. */
  readonly maxWaitingBytes?: number | undefined;
  /** As {@link Backoff}'s; for tests. */
  readonly pauseMs?: number | undefined;
  /** Called when the receiver begins to fail or to refuse, or the queue is full; ERR_TFT_REMOTE_UNAVAILABLE or _REFUSED. */
  readonly onProblem: (error: TFTError) => void;
  /** Called when it takes requests again. */
  readonly onRecovery: () => void;
}

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #waiting: PackedRequest[] = [];
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  readonly #samples = { waiting: 0, written: 0, refused: 0, lost: 0 };
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;
  #failures = 0;
  #lastSuccess: number | undefined;
  #lastError: string | undefined;
  #isFull = false;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.pauseMs);
  }

  get status(): ReceiverStatus {
    return {
      name: this.#shownUrl,
      kind: 'remote-write',
      ...this.#samples,
      failures: this.#failures,
      lastSuccess: this.#lastSuccess === undefined ? null : new Date(this.#lastSuccess).toISOString(),
      lastError: this.#lastError ?? null,
    };
  }

  /** Queues a request. If there is no room, the oldest one that is not being sent is lost. */
  put(request: PackedRequest): void {
    if (this.#closing.signal.aborted) {
      this.#samples.lost += request.samples;
      return;
    }
    this.#waiting.push(request);
    this.#waitingBytes += request.body.length;
    this.#samples.waiting += request.samples;
    this.#makeRoom();
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Resolves when the queue is empty. */
  async idle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  /** Sends what waits for at most this long. The rest is lost. */
  async close(graceMs = 2_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.idle(), grace]);
    clearTimeout(timer);
    const before = this.#samples.lost;
    this.#closing.abort();
    await this.idle();
    const lost = this.#samples.lost - before;
    if (lost > 0) this.#lose(`${lost.toLocaleString('en')} samples were not taken before the end`);
  }

  get #shownUrl(): string {
    return this.#options.endpoint.shownUrl;
  }

  #makeRoom(): void {
    const most = this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES;
    while (this.#waitingBytes > most) {
      this.#settle(this.#take(), 'lost');
      if (!this.#isFull) this.#lose('the queue is full; the oldest forecasts are lost');
      this.#isFull = true;
    }
  }

  #lose(message: string): void {
    this.#options.onProblem(new TFTError('ERR_TFT_REMOTE_UNAVAILABLE', `${this.#shownUrl}: ${message}`));
  }

  /** The oldest request. There must be one. */
  #take(): PackedRequest {
    const request = this.#waiting.shift() as PackedRequest;
    this.#waitingBytes -= request.body.length;
    return request;
  }

  #settle({ samples }: PackedRequest, outcome: 'written' | 'refused' | 'lost'): void {
    this.#samples.waiting -= samples;
    this.#samples[outcome] += samples;
  }

  async #sendAll(): Promise<void> {
    // The first request is sent after `put` has returned.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const request = this.#take();
      this.#settle(request, await this.#sendUntilAnswered(request));
      if (this.#waiting.length === 0) this.#isFull = false;
    }
  }

  async #sendUntilAnswered({ body }: PackedRequest): Promise<'written' | 'refused' | 'lost'> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const { outcome, problem, retryAfterMs } = await this.#send(body);
      if (outcome === 'again') {
        if (signal.aborted) break;
        this.#failed('ERR_TFT_REMOTE_UNAVAILABLE', problem);
        await this.#backoff.pause(signal, retryAfterMs);
        continue;
      }
      this.#backoff.reset();
      if (outcome === 'sent') {
        this.#succeeded();
        return 'written';
      }
      this.#failed('ERR_TFT_REMOTE_REFUSED', problem);
      return 'refused';
    }
    return 'lost';
  }

  /** The specification allows to repeat what was answered with 5xx or 429 only. */
  #send(body: Uint8Array<ArrayBuffer>): Promise<Delivered> {
    const { endpoint, timeoutMs } = this.#options;
    const request = {
      url: endpoint.url,
      shownUrl: endpoint.shownUrl,
      headers: () => ({ ...endpoint.headers(), ...WRITE_HEADERS }),
      body,
      timeoutMs,
      signal: this.#closing.signal,
    };
    return deliver(request, (status) => status >= 500 || status === 429);
  }

  #succeeded(): void {
    this.#lastSuccess = Date.now();
    if (this.#lastError === undefined) return;
    this.#lastError = undefined;
    this.#options.onRecovery();
  }

  #failed(code: 'ERR_TFT_REMOTE_UNAVAILABLE' | 'ERR_TFT_REMOTE_REFUSED', message: string): void {
    this.#failures++;
    if (this.#lastError === undefined) this.#options.onProblem(new TFTError(code, message));
    this.#lastError = message;
  }
}
