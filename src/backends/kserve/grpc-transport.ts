// A server over gRPC. All requests share one HTTP/2 connection.
import type * as Grpc from '@grpc/grpc-js';
import { TFTError } from '../../contract/errors.js';
import type { Values } from '../../contract/tensors.js';
import {
  inferRequest,
  METHODS,
  namedRequest,
  readInferResponse,
  readMaxBatch,
  readModelMetadata,
  readReady,
  readServer,
} from '../../kserve/grpc-messages.js';
import type { InferMessage } from '../../kserve/infer-message.js';
import { loadGrpc } from './grpc-library.js';
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

/** The limit of a response is the channel's, not the request's, so a request has at most as many series. */
const MAX_SERIES = 4096;
/**
 * The server's own deadline is so much later than ours. What it answers as too late is then its own decision, and ours is
 * made where the caller is.
 */
const GRACE_MS = 1000;
/** gRPC connects again by itself, with these pauses, so that a probe finds a server that is back. */
const RECONNECT_MS = { first: 100, most: 1000 };
/** Triton takes the headers that `--grpc-restricted-protocol` names under this prefix. */
const TRITON_HEADER = 'triton-grpc-protocol-authorization';

const NOTHING = new Uint8Array();

export class GrpcTransport implements Transport {
  readonly #origin: string;
  readonly #settings: TransportSettings;
  readonly #grpc: typeof Grpc;
  readonly #metadata: Grpc.Metadata;
  readonly #maxSeries: number;
  readonly #maxBytes: number;
  #client: Grpc.Client;

  /**
   * @param origin of grpc or grpcs, with a port.
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE where gRPC is not installed.
   */
  constructor(origin: string, settings: TransportSettings) {
    const { apiKey, tensors, maxBatch = MAX_SERIES } = settings;
    this.#origin = origin;
    this.#settings = settings;
    this.#grpc = loadGrpc();
    this.#metadata = new this.#grpc.Metadata();
    if (apiKey !== undefined) {
      for (const name of ['authorization', TRITON_HEADER]) this.#metadata.set(name, `Bearer ${apiKey}`);
    }
    this.#maxSeries = maxBatch;
    this.#maxBytes = MAX_TEXT_BYTES + outputBytes(tensors, maxBatch);
    this.#client = this.#connect();
  }

  async metadata(timeoutMs: number): Promise<unknown> {
    const { model, version } = this.#settings;
    const named = namedRequest(model, version);
    await this.#mustBeReady(METHODS.serverReady, NOTHING, timeoutMs);
    const metadata = readModelMetadata(await this.#call(METHODS.modelMetadata, named, timeoutMs));
    await this.#mustBeReady(METHODS.modelReady, named, timeoutMs);
    return metadata;
  }

  async facts(timeoutMs: number): Promise<ServerFacts> {
    const { model, version } = this.#settings;
    const [server, maxBatch] = await Promise.all([
      this.#call(METHODS.serverMetadata, NOTHING, timeoutMs)
        .then(readServer)
        .catch(() => ({ name: '', version: '' })),
      this.#call(METHODS.modelConfig, namedRequest(model, version), timeoutMs)
        .then(readMaxBatch)
        .catch(() => 0),
    ]);
    return {
      server: server.name || UNNAMED.server,
      version: server.version || UNNAMED.version,
      maxBatch: maxBatch > 0 ? Math.min(maxBatch, this.#maxSeries) : undefined,
    };
  }

  async infer(message: InferMessage, timeoutMs: number, signal: AbortSignal): Promise<readonly Values[]> {
    const { tensors } = this.#settings;
    const request = inferRequest(this.#settings, tensors.inputs, tensors.outputs, message);
    const answer = await this.#call(METHODS.modelInfer, request, timeoutMs, signal);
    return readInferResponse(answer, tensors.outputs, message.series);
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #connect(): Grpc.Client {
    const { ca } = this.#settings;
    const { credentials, Client } = this.#grpc;
    const isSecure = this.#origin.startsWith('grpcs:');
    return new Client(
      `dns:${new URL(this.#origin).host}`,
      isSecure
        ? credentials.createSsl(ca === undefined ? null : Buffer.from(ca))
        : credentials.createInsecure(),
      {
        'grpc.max_receive_message_length': this.#maxBytes,
        'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.first,
        'grpc.max_reconnect_backoff_ms': RECONNECT_MS.most,
        // As over HTTP: the server is the one that the address names.
        'grpc.enable_http_proxy': 0,
        // Requests are sent again by the backend alone, which counts them.
        'grpc.service_config_disable_resolution': 1,
        // A connection of its own, which no other engine keeps open when it is dead.
        'grpc.use_local_subchannel_pool': 1,
      },
    );
  }

  async #mustBeReady(method: string, request: Uint8Array, timeoutMs: number): Promise<void> {
    const client = this.#client;
    try {
      if (readReady(await this.#call(method, request, timeoutMs))) return;
    } catch (error) {
      // Packets to a host that is gone are lost for minutes before its connection ends: a new one shows whether it is back.
      if (isTimeout(error) && client === this.#client) {
        this.#client = this.#connect();
        client.close();
      }
      throw error;
    }
    throw unavailable(this.#origin, 'not ready', `${method} says that it is not ready`);
  }

  /** One request and its whole response, within a time. */
  #call(method: string, request: Uint8Array, timeoutMs: number, signal?: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      let isLate = false;
      let isAnswered = false;
      const call = this.#client.makeUnaryRequest<Uint8Array, Buffer>(
        method,
        (message) => Buffer.from(message.buffer, message.byteOffset, message.byteLength),
        (message) => message,
        request,
        this.#metadata,
        { deadline: Date.now() + timeoutMs + GRACE_MS },
        (error, answer) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', cancel);
          if (error === null && answer !== undefined) resolve(answer);
          else if (signal?.aborted) reject(signal.reason);
          else if (isLate) reject(noResponse(this.#origin, timeoutMs));
          else reject(this.#refusal(error as Grpc.ServiceError, method, isAnswered));
        },
      );
      call.once('metadata', () => {
        isAnswered = true;
      });
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      // gRPC's own deadline may end up to some milliseconds beside ours.
      const timer = setTimeout(() => {
        isLate = true;
        call.cancel();
      }, timeoutMs);
    });
  }

  /** @param isAnswered whether the server began to answer. */
  #refusal(error: Grpc.ServiceError, method: string, isAnswered: boolean): TFTError {
    const origin = this.#origin;
    const { status: Status } = this.#grpc;
    const { code, details, metadata } = error;
    const status = Status[code] ?? String(code);
    const text = details.replace(NO_NOTE, '');
    const said = text === '' ? status : `${status} (${text})`;
    // A status that the client made itself has no headers.
    const isServers = isAnswered || metadata.get('content-type').length > 0;
    switch (code) {
      case Status.UNAVAILABLE:
        return unavailable(origin, isServers ? 'not ready' : 'connection', said, error);
      case Status.CANCELLED:
        return unavailable(origin, 'connection', said, error);
      case Status.RESOURCE_EXHAUSTED:
        if (details.startsWith(TOO_LARGE)) return tooLarge(origin, this.#maxBytes);
        return unavailable(origin, 'overloaded', said, error);
      case Status.DEADLINE_EXCEEDED:
        return ending('ERR_TFT_DEADLINE', { origin, path: method, status, said });
      case Status.INTERNAL:
        if (details.startsWith(RESET)) return unavailable(origin, 'connection', said, error);
        return ending('ERR_TFT_RUN', { origin, path: method, status, said });
      case Status.UNKNOWN:
      case Status.ABORTED:
      case Status.DATA_LOSS:
        return ending('ERR_TFT_RUN', { origin, path: method, status, said });
      default:
        return ending('ERR_TFT_REMOTE_REFUSED', { origin, path: method, status, said });
    }
  }
}

/** What grpc-js says about a message beyond the channel's limit, and about a stream that was reset. */
const TOO_LARGE = 'Received message larger than max';
const RESET = 'Received RST_STREAM';
/** The end of what it says where no connection was made. */
const NO_NOTE = /\.? Resolution note: $/;

function isTimeout(error: unknown): boolean {
  return error instanceof TFTError && error.details.reason === 'timeout';
}
