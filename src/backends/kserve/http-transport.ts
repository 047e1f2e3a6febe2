// A server over HTTP/1.1, with binary tensors.
import { type Dispatcher, Pool } from 'undici';
import { TFTError } from '../../contract/errors.js';
import type { Values } from '../../contract/tensors.js';
import { type InferMessage, readInferAnswer } from '../../kserve/infer-message.js';
import { HEADER_LENGTH } from '../../kserve/wire.js';
import {
  ending,
  MAX_TEXT_BYTES,
  noResponse,
  outputBytes,
  type ServerFacts,
  type Transport,
  type TransportSettings,
  tooLarge,
  UNNAMED,
  unavailable,
} from './transport.js';

const SHOWN_CHARACTERS = 300;

/** The reason of an abort by this file's own timer. */
const TIMEOUT = Symbol('timeout');

export class HttpTransport implements Transport {
  readonly #origin: string;
  readonly #settings: TransportSettings;
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(origin: string, settings: TransportSettings) {
    const { model, version, apiKey, ca, timeoutMs, connections } = settings;
    this.#origin = origin;
    this.#settings = settings;
    this.#path =
      `/v2/models/${encodeURIComponent(model)}` +
      (version === undefined ? '' : `/versions/${encodeURIComponent(version)}`);
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    // The times are limited by signals, which end at the deadline exactly; undici's own timers are coarse.
    this.#pool = new Pool(origin, {
      connections,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) },
    });
  }

  async metadata(timeoutMs: number): Promise<unknown> {
    await this.#get('/v2/health/ready', timeoutMs);
    return this.#getJson(this.#path, timeoutMs);
  }

  async facts(timeoutMs: number): Promise<ServerFacts> {
    const none = (): Record<string, unknown> => ({});
    const [server, model] = await Promise.all([
      this.#getJson('/v2', timeoutMs).catch(none),
      this.#getJson(`${this.#path}/config`, timeoutMs).catch(none),
    ]);
    const most = model.max_batch_size;
    return {
      server: typeof server.name === 'string' ? server.name : UNNAMED.server,
      version: typeof server.version === 'string' ? server.version : UNNAMED.version,
      maxBatch: typeof most === 'number' && Number.isSafeInteger(most) && most > 0 ? most : undefined,
    };
  }

  async infer(
    { body, headerLength, series }: InferMessage,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly Values[]> {
    const { tensors } = this.#settings;
    const headers = { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) };
    const maxBytes = MAX_TEXT_BYTES + outputBytes(tensors, series);
    const request = { method: 'POST', path: `${this.#path}/infer`, headers, body } as const;
    const answer = await this.#exchange(request, timeoutMs, maxBytes, signal);
    const length = answer.headers[HEADER_LENGTH];
    return readInferAnswer(
      answer.bytes,
      typeof length === 'string' ? length : undefined,
      tensors.outputs,
      series,
    );
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #getJson(path: string, timeoutMs: number): Promise<Record<string, unknown>> {
    const bytes = await this.#get(path, timeoutMs);
    try {
      return JSON.parse(bytes.toString()) as Record<string, unknown>;
    } catch (cause) {
      throw new TFTError('ERR_TFT_REMOTE_ANSWER', `${this.#origin}${path} does not answer with JSON`, {
        cause,
      });
    }
  }

  async #get(path: string, timeoutMs: number): Promise<Buffer> {
    const { bytes } = await this.#exchange({ method: 'GET', path }, timeoutMs, MAX_TEXT_BYTES);
    return bytes;
  }

  /** One request and its whole response, within a time and a size. */
  async #exchange(
    {
      headers,
      ...request
    }: Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body'> & {
      readonly headers?: Record<string, string>;
    },
    timeoutMs: number,
    maxBytes: number,
    signal?: AbortSignal,
  ) {
    const limit = new AbortController();
    const stop = () => limit.abort(signal?.reason);
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener('abort', stop, { once: true });
    const timer = setTimeout(() => limit.abort(TIMEOUT), timeoutMs);
    try {
      const answer = await this.#pool.request({
        ...request,
        headers: { ...this.#headers, ...headers },
        signal: limit.signal,
      });
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > maxBytes) throw tooLarge(this.#origin, maxBytes);
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (answer.statusCode !== 200) throw this.#refusal(answer.statusCode, bytes, request.path);
      return { bytes, headers: answer.headers };
    } catch (error) {
      if (error instanceof TFTError) throw error;
      if (signal?.aborted) throw signal.reason;
      if (limit.signal.aborted) throw noResponse(this.#origin, timeoutMs);
      throw unavailable(this.#origin, 'connection', reasonOf(error), error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  #refusal(status: number, bytes: Buffer, path: string): TFTError {
    const origin = this.#origin;
    const said = `${status}${messageOf(bytes)}`;
    if (status === 429) return unavailable(origin, 'overloaded', said);
    if (status === 503) return unavailable(origin, 'not ready', said);
    if (status === 502) return unavailable(origin, 'connection', said);
    const what = { origin, path, status, said };
    if (status === 504) return ending('ERR_TFT_DEADLINE', what);
    return ending(status >= 500 ? 'ERR_TFT_RUN' : 'ERR_TFT_REMOTE_REFUSED', what);
  }
}

/** The text of an error in a server's JSON; else the beginning of the body. */
function messageOf(bytes: Buffer): string {
  const text = bytes.toString('utf8', 0, MAX_TEXT_BYTES);
  let said = text;
  try {
    const json = JSON.parse(text) as Record<string, unknown> | null;
    const { error, message, reason } = json ?? {};
    said = [error, message, reason].find((one) => typeof one === 'string') ?? text;
  } catch {
    // Not JSON: a proxy's page, for example.
  }
  return said === '' ? '' : ` (${said.slice(0, SHOWN_CHARACTERS)})`;
}

/** Errors of several addresses of one name have no message of their own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
