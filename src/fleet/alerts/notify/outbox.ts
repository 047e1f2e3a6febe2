// Sends small JSON messages to one address: in the background, with a bounded queue. `put` never waits. A receiver that was
// unreachable for an hour gets the newest state of each alert, not the history of that hour.
import { Backoff, type Delivered, deliver } from '../../delivery.js';

const CAPACITY = 10_000;
const BATCH = 256;
const TIMEOUT_MS = 10_000;

export interface OutboxOptions<Item> {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body for some items, sent in one request. */
  readonly body: (items: readonly Item[]) => unknown;
  /** The largest number of items in one request; 256 by default. */
  readonly batch?: number | undefined;
  /** The largest number of queued items; beyond it the oldest is dropped. 10,000 by default. */
  readonly capacity?: number | undefined;
  /** The wait before the first retry, which doubles up to a minute; a second by default. */
  readonly pauseMs?: number | undefined;
  /** Called when a message is dropped or a receiver begins to fail. */
  readonly onProblem?: ((message: string) => void) | undefined;
}

export interface OutboxCounters {
  readonly url: string;
  readonly waiting: number;
  readonly sent: number;
  readonly failures: number;
  /** Dropped from a full queue, or rejected by the receiver because of their content. */
  readonly dropped: number;
  readonly lastError: string | null;
}

export class Outbox<Item> {
  readonly #options: OutboxOptions<Item>;
  readonly #waiting = new Map<string, Item>();
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  #sending: Promise<void> | undefined;
  #sent = 0;
  #failures = 0;
  #dropped = 0;
  #lastError: string | undefined;

  constructor(options: OutboxOptions<Item>) {
    this.#options = options;
    this.#backoff = new Backoff(options.pauseMs);
  }

  get counters(): OutboxCounters {
    return {
      url: withoutSecrets(this.#options.url),
      waiting: this.#waiting.size,
      sent: this.#sent,
      failures: this.#failures,
      dropped: this.#dropped,
      lastError: this.#lastError ?? null,
    };
  }

  /** Queues an item; it replaces a waiting item with the same key. */
  put(key: string, item: Item): void {
    if (this.#closing.signal.aborted) return;
    this.#waiting.delete(key);
    if (this.#waiting.size >= (this.#options.capacity ?? CAPACITY)) {
      const [oldest] = this.#waiting.keys();
      this.#waiting.delete(oldest as string);
      this.#dropped++;
      if (this.#dropped === 1)
        this.#options.onProblem?.(`${this.#shown}: the queue is full, alerts are dropped`);
    }
    this.#waiting.set(key, item);
    this.#start();
  }

  /** Resolves when the queue is empty; for tests and for shutdown. */
  async idle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  /** Sends the waiting items once more, for at most this long, and drops the rest. */
  async close(graceMs = 2_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.idle(),
      new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs);
      }),
    ]);
    clearTimeout(timer);
    this.#closing.abort();
    await this.idle();
  }

  get #shown(): string {
    return withoutSecrets(this.#options.url);
  }

  #start(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
      // An item may have been queued since the last look.
      if (this.#waiting.size > 0 && !this.#closing.signal.aborted) this.#start();
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closing.signal.aborted) {
      const part = [...this.#waiting].slice(0, this.#options.batch ?? BATCH);
      const { outcome, problem, retryAfterMs } = await this.#send(part.map(([, item]) => item));
      if (outcome === 'sent') this.#lastError = undefined;
      else this.#failed(problem);
      if (outcome === 'again') {
        await this.#backoff.pause(this.#closing.signal, retryAfterMs);
        continue;
      }
      this.#backoff.reset();
      // An item that was replaced meanwhile is newer and has yet to be sent.
      for (const [key, item] of part) if (this.#waiting.get(key) === item) this.#waiting.delete(key);
      if (outcome === 'sent') this.#sent += part.length;
      else this.#dropped += part.length;
    }
  }

  #send(items: readonly Item[]): Promise<Delivered> {
    const { url, headers, body } = this.#options;
    const request = {
      url,
      shownUrl: this.#shown,
      headers: () => ({ 'content-type': 'application/json', ...headers }),
      body: JSON.stringify(body(items)),
      timeoutMs: TIMEOUT_MS,
      signal: this.#closing.signal,
    };
    return deliver(request, (status) => status >= 500 || status === 429 || status === 408);
  }

  #failed(message: string): void {
    this.#failures++;
    if (this.#lastError === undefined) this.#options.onProblem?.(message);
    this.#lastError = message;
  }
}

/** An address without user, password and query. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
