// One server: its connections, and whether it is in use. A server that does not answer is taken out of use and asked
// again with growing pauses, until it answers.
import { type Dispatcher, Pool } from 'undici';
import { TFTError } from '../../contract/errors.js';
import type { Log } from '../../contract/log.js';
import type { ModelTensors, Values } from '../../contract/tensors.js';
import { type InferMessage, readInferAnswer } from '../../kserve/infer-message.js';
import { checkMetadata } from '../../kserve/metadata.js';
import { HEADER_LENGTH } from '../../kserve/wire.js';

/** What all endpoints of a model share. */
export interface EndpointSettings {
  readonly model: string;
  readonly version: string | undefined;
  readonly tensors: ModelTensors;
  readonly apiKey: string | undefined;
  readonly ca: string | Buffer | undefined;
  /** The time for one response. */
  readonly timeoutMs: number;
  readonly connections: number;
  readonly log: Log;
  /** Called when the endpoint is in use again. */
  readonly onReturn: () => void;
}

/** What a server says about itself and its model. */
export interface ServerFacts {
  readonly server: string;
  readonly version: string;
  /** The largest number of series in one request; undefined if the server does not say. */
  readonly maxBatch: number | undefined;
}

/** Why no response was usable: in `details.reason` of ERR_TFT_REMOTE_UNAVAILABLE. */
export type Reason = 'connection' | 'timeout' | 'not ready' | 'overloaded';

/** The pauses between probes of an endpoint that is out of use. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** The time for a response to a probe. */
const MAX_PROBE_MS = 2_000;
/** Besides the outputs: the JSON of a response. */
const MAX_JSON_BYTES = 2 ** 20;
/** Requests with short deadlines that an endpoint may leave unanswered, one after the other, before it is taken out. */
const MAX_UNANSWERED = 3;
const SHOWN_CHARACTERS = 300;

/** The reason of an abort by this file's own timer. */
const TIMEOUT = Symbol('timeout');

export class Endpoint {
  readonly origin: string;
  /** Requests that it is answering. */
  underWay = 0;
  /** Whether new requests may go to it. */
  isUsed = true;
  readonly #settings: EndpointSettings;
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;
  #pause = FIRST_PAUSE_MS;
  /** Requests without a response since the last response. */
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(origin: string, settings: EndpointSettings) {
    const { model, version, apiKey, ca, timeoutMs, connections } = settings;
    this.origin = origin;
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

  /**
   * Asks whether the server is ready and serves the bundle's model.
   *
   * @throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED, ERR_TFT_REMOTE_MISMATCH, ERR_TFT_REMOTE_ANSWER.
   */
  async check(timeoutMs = this.#settings.timeoutMs): Promise<void> {
    await this.#get('/v2/health/ready', timeoutMs);
    checkMetadata(await this.#getJson(this.#path, timeoutMs), this.#settings.tensors);
  }

  /** What the server says about itself; not every server says it. */
  async facts(): Promise<ServerFacts> {
    const { timeoutMs } = this.#settings;
    const none = (): Record<string, unknown> => ({});
    const [server, model] = await Promise.all([
      this.#getJson('/v2', timeoutMs).catch(none),
      this.#getJson(`${this.#path}/config`, timeoutMs).catch(none),
    ]);
    const most = model.max_batch_size;
    return {
      server: typeof server.name === 'string' ? server.name : 'KServe v2',
      version: typeof server.version === 'string' ? server.version : 'unknown',
      maxBatch: typeof most === 'number' && Number.isSafeInteger(most) && most > 0 ? most : undefined,
    };
  }

  /**
   * Sends a request.
   *
   * @param timeoutMs the time for its response.
   * @param signal aborts it.
   * @throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED, ERR_TFT_REMOTE_ANSWER, ERR_TFT_RUN,
   *   ERR_TFT_DEADLINE; the signal's reason.
   */
  async infer(
    { body, headerLength }: InferMessage,
    series: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly Values[]> {
    const { outputs } = this.#settings.tensors;
    const headers = { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) };
    const maxBytes = MAX_JSON_BYTES + outputs.reduce((sum, { size }) => sum + size * series * 4, 0);
    this.underWay++;
    try {
      const request = { method: 'POST', path: `${this.#path}/infer`, headers, body } as const;
      const answer = await this.#exchange(request, timeoutMs, maxBytes, signal);
      const length = answer.headers[HEADER_LENGTH];
      this.#unanswered = 0;
      return readInferAnswer(answer.bytes, typeof length === 'string' ? length : undefined, outputs, series);
    } catch (error) {
      this.#judge(error, timeoutMs);
      throw error;
    } finally {
      this.underWay--;
    }
  }

  /** Takes the endpoint out of use until a probe succeeds. */
  takeOut(why: string): void {
    if (!this.isUsed || this.#isClosed) return;
    this.isUsed = false;
    this.#pause = FIRST_PAUSE_MS;
    this.#settings.log({ level: 'warn', message: `${this.origin} is out of use: ${why}` });
    this.#probeLater();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#pool.destroy();
  }

  /** Takes the endpoint out of use if the error shows that it does not answer. */
  #judge(error: unknown, timeoutMs: number): void {
    if (!(error instanceof TFTError) || error.code !== 'ERR_TFT_REMOTE_UNAVAILABLE') return;
    const reason = error.details.reason as Reason;
    if (reason === 'overloaded') return;
    // One short deadline that is missed says little about the server; several in a row do.
    const isEarly = reason === 'timeout' && timeoutMs < this.#settings.timeoutMs;
    if (isEarly && ++this.#unanswered < MAX_UNANSWERED) return;
    this.#unanswered = 0;
    this.takeOut(error.message);
  }

  #probeLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#probe(), this.#pause).unref();
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE_MS);
  }

  async #probe(): Promise<void> {
    const { timeoutMs, log, onReturn } = this.#settings;
    try {
      await this.check(Math.min(timeoutMs, MAX_PROBE_MS));
    } catch {
      this.#probeLater();
      return;
    }
    if (this.#isClosed) return;
    this.isUsed = true;
    log({ level: 'info', message: `${this.origin} is in use again` });
    onReturn();
  }

  async #getJson(path: string, timeoutMs: number): Promise<Record<string, unknown>> {
    const bytes = await this.#get(path, timeoutMs);
    try {
      return JSON.parse(bytes.toString()) as Record<string, unknown>;
    } catch (cause) {
      throw new TFTError('ERR_TFT_REMOTE_ANSWER', `${this.origin}${path} does not answer with JSON`, {
        cause,
      });
    }
  }

  async #get(path: string, timeoutMs: number): Promise<Buffer> {
    const { bytes } = await this.#exchange({ method: 'GET', path }, timeoutMs, MAX_JSON_BYTES);
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
        if (length > maxBytes) {
          throw new TFTError(
            'ERR_TFT_REMOTE_ANSWER',
            `${this.origin} answers with more than the ${maxBytes} bytes that are expected`,
          );
        }
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (answer.statusCode !== 200) throw this.#refusal(answer.statusCode, bytes, request.path);
      return { bytes, headers: answer.headers };
    } catch (error) {
      if (error instanceof TFTError) throw error;
      if (signal?.aborted) throw signal.reason;
      if (limit.signal.aborted)
        throw this.#unavailable('timeout', `no response within ${Math.ceil(timeoutMs)} ms`);
      throw this.#unavailable('connection', reasonOf(error), error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  #refusal(status: number, bytes: Buffer, path: string): TFTError {
    const said = `${status}${messageOf(bytes)}`;
    if (status === 429) return this.#unavailable('overloaded', said);
    if (status === 503) return this.#unavailable('not ready', said);
    if (status === 502) return this.#unavailable('connection', said);
    const details = { endpoint: this.origin, status };
    if (status === 504) {
      return new TFTError('ERR_TFT_DEADLINE', `${this.origin} did not run the request in time: ${said}`, {
        details,
      });
    }
    return status >= 500
      ? new TFTError('ERR_TFT_RUN', `${this.origin} failed: ${said}`, { details })
      : new TFTError('ERR_TFT_REMOTE_REFUSED', `${this.origin}${path} refuses the request: ${said}`, {
          details,
        });
  }

  #unavailable(reason: Reason, message: string, cause?: unknown): TFTError {
    return new TFTError('ERR_TFT_REMOTE_UNAVAILABLE', `${this.origin} is not available: ${message}`, {
      cause,
      details: { endpoint: this.origin, reason },
    });
  }
}

/** The text of an error in a server's JSON; else the beginning of the body. */
function messageOf(bytes: Buffer): string {
  const text = bytes.toString('utf8', 0, MAX_JSON_BYTES);
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
