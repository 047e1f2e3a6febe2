// Sends requests to the daemon, with the user's key if one is needed. The key is kept as long as the browser's tab.

const KEY = 'tft-api-key';

/** An answer that is an error, or none at all. */
export class RequestError extends Error {
  /** 0 if there was no answer. */
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }

  get needsKey(): boolean {
    return this.status === 401;
  }
}

export function setKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(KEY) !== null;
}

export function forgetKey(): void {
  sessionStorage.removeItem(KEY);
}

/** The parsed answer of a path of this origin. @throws RequestError */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await get(path, 'application/json', signal);
  try {
    return (await response.json()) as T;
  } catch (cause) {
    throw aborted(signal) ?? new RequestError(0, 'the answer broke off', { cause });
  }
}

/** A stream of text. @throws RequestError */
export async function getStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { body } = await get(path, 'text/event-stream', signal);
  if (body === null) throw new RequestError(0, 'the answer is empty');
  return body;
}

async function get(path: string, accept: string, signal: AbortSignal | undefined): Promise<Response> {
  const key = sessionStorage.getItem(KEY);
  const headers = { accept, ...(key === null ? {} : { 'x-api-key': key }) };
  let response: Response;
  try {
    // Relative, so that the page also works behind a proxy's prefix.
    response = await fetch(path, { headers, cache: 'no-store', ...(signal ? { signal } : {}) });
  } catch (cause) {
    throw aborted(signal) ?? new RequestError(0, 'the daemon does not answer', { cause });
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => '');
  throw new RequestError(
    response.status,
    messageOf(text) ?? `the daemon answers with status ${response.status}`,
  );
}

/** The error message of the daemon. */
function messageOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

function aborted(signal: AbortSignal | undefined): Error | undefined {
  return signal?.aborted ? (signal.reason as Error) : undefined;
}
