// One server: whether it is in use. A server that does not answer is taken out of use and asked again with growing pauses,
// until it answers.
import { TFTError } from '../../contract/errors.js';
import type { Log } from '../../contract/log.js';
import type { Values } from '../../contract/tensors.js';
import type { InferMessage } from '../../kserve/infer-message.js';
import { checkMetadata } from '../../kserve/metadata.js';
import { GrpcTransport } from './grpc-transport.js';
import { HttpTransport } from './http-transport.js';
import type { Reason, ServerFacts, Transport, TransportSettings } from './transport.js';

/** What all endpoints of a model share. */
export interface EndpointSettings extends TransportSettings {
  readonly log: Log;
  /** Called when the endpoint is in use again. */
  readonly onReturn: () => void;
}

/** The pauses between probes of an endpoint that is out of use. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** The time for a response to a probe. */
const MAX_PROBE_MS = 2_000;
/** Requests with short deadlines that an endpoint may leave unanswered, one after the other, before it is taken out. */
const MAX_UNANSWERED = 3;

export class Endpoint {
  readonly origin: string;
  /** Requests that it is answering. */
  underWay = 0;
  /** Whether new requests may go to it. */
  isUsed = true;
  readonly #settings: EndpointSettings;
  readonly #transport: Transport;
  #pause = FIRST_PAUSE_MS;
  /** Requests without a response since the last response. */
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * @param origin of http, https, grpc or grpcs.
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE where gRPC is not installed.
   */
  constructor(origin: string, settings: EndpointSettings) {
    this.origin = origin;
    this.#settings = settings;
    this.#transport = origin.startsWith('grpc')
      ? new GrpcTransport(origin, settings)
      : new HttpTransport(origin, settings);
  }

  /**
   * Asks whether the server is ready and serves the bundle's model.
   *
   * @throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED, ERR_TFT_REMOTE_MISMATCH, ERR_TFT_REMOTE_ANSWER.
   */
  async check(timeoutMs = this.#settings.timeoutMs): Promise<void> {
    checkMetadata(await this.#transport.metadata(timeoutMs), this.#settings.tensors);
  }

  /** What the server says about itself; not every server says it. */
  facts(): Promise<ServerFacts> {
    return this.#transport.facts(this.#settings.timeoutMs);
  }

  /**
   * Sends a request.
   *
   * @param timeoutMs the time for its response.
   * @param signal aborts it.
   * @throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, ERR_TFT_REMOTE_REFUSED, ERR_TFT_REMOTE_ANSWER, ERR_TFT_RUN,
   *   ERR_TFT_DEADLINE; the signal's reason.
   */
  async infer(message: InferMessage, timeoutMs: number, signal: AbortSignal): Promise<readonly Values[]> {
    this.underWay++;
    try {
      const outputs = await this.#transport.infer(message, timeoutMs, signal);
      this.#unanswered = 0;
      return outputs;
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
    await this.#transport.close();
  }

  /** Takes the endpoint out of use if the error shows that it does not answer. */
  #judge(error: unknown, timeoutMs: number): void {
    // What is not one of ours is the caller's reason to abort.
    if (!(error instanceof TFTError)) return;
    if (error.code !== 'ERR_TFT_REMOTE_UNAVAILABLE') {
      this.#unanswered = 0;
      return;
    }
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
}
