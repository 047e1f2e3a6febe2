// One request to a receiver, and the pause before the next one when it failed.
import { reasonOf } from './endpoint.js';

const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
const MAX_RETRY_AFTER_MS = 3_600_000;
const MAX_SHOWN = 200;

export interface Delivery {
  readonly url: string | URL;
  /** The address as it may be shown. */
  readonly shownUrl: string;
  /** Called for each request; what it throws is a failure that is tried again. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Delivered {
  /** `again`: a later try may succeed; `refused`: it would not, because of the content. */
  readonly outcome: 'sent' | 'again' | 'refused';
  /** What happened; empty if it was sent. */
  readonly problem: string;
  /** How long the receiver asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** @param isTemporary whether a status says that a later try may succeed. */
export async function deliver(
  { url, shownUrl, headers, body, timeoutMs, signal }: Delivery,
  isTemporary: (status: number) => boolean,
): Promise<Delivered> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: headers(),
      body,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    // Read to the end, so that the connection can be used again.
    const said = (await answer.text()).trim().slice(0, MAX_SHOWN);
    if (answer.ok) return { outcome: 'sent', problem: '' };
    const problem = `${shownUrl} answered ${answer.status}: ${said}`;
    if (!isTemporary(answer.status)) return { outcome: 'refused', problem };
    return { outcome: 'again', problem, retryAfterMs: retryAfter(answer.headers.get('retry-after')) };
  } catch (error) {
    return { outcome: 'again', problem: `${shownUrl}: ${reasonOf(error)}` };
  }
}

/** The header's seconds or date, as milliseconds from now, at most an hour. */
function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}

/** The pause before the next try: a second, doubling up to a minute, and as long as the receiver asks for. */
export class Backoff {
  readonly #first: number;
  #next: number;

  /** @param firstMs the first pause; for tests. */
  constructor(firstMs = FIRST_PAUSE_MS) {
    this.#first = firstMs;
    this.#next = firstMs;
  }

  reset(): void {
    this.#next = this.#first;
  }

  /** Resolves after the pause, or when the signal is aborted. */
  async pause(signal: AbortSignal, retryAfterMs = 0): Promise<void> {
    const milliseconds = Math.max(this.#next, retryAfterMs);
    this.#next = Math.min(2 * this.#next, MAX_PAUSE_MS);
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      timer.unref();
      signal.addEventListener('abort', end);
    });
  }
}
