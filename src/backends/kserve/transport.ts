// How one server is asked: what HTTP and gRPC have in common, and the errors that both end in.
import { TFTError } from '../../contract/errors.js';
import type { ModelTensors, Values } from '../../contract/tensors.js';
import type { InferMessage } from '../../kserve/infer-message.js';

/** What all servers of a model share. */
export interface TransportSettings {
  readonly model: string;
  readonly version: string | undefined;
  readonly tensors: ModelTensors;
  readonly apiKey: string | undefined;
  readonly ca: string | Buffer | undefined;
  /** The time for one response. */
  readonly timeoutMs: number;
  readonly connections: number;
  /** The largest number of series in one request, if the caller chose it. */
  readonly maxBatch: number | undefined;
}

/** What a server says about itself and its model. */
export interface ServerFacts {
  readonly server: string;
  readonly version: string;
  /** The largest number of series in one request; undefined if the server does not say. */
  readonly maxBatch: number | undefined;
}

/**
 * One server. Each function throws TFTError ERR_TFT_REMOTE_UNAVAILABLE, with a {@link Reason}, ERR_TFT_REMOTE_REFUSED,
 * ERR_TFT_REMOTE_ANSWER, ERR_TFT_RUN or ERR_TFT_DEADLINE.
 */
export interface Transport {
  /** Resolves if the server is ready. @returns the model's metadata, as JSON has them. */
  metadata(timeoutMs: number): Promise<unknown>;
  /** What the server says about itself; not every server says it. */
  facts(timeoutMs: number): Promise<ServerFacts>;
  /**
   * Sends a request.
   *
   * @param signal aborts it; its reason is then thrown.
   */
  infer(message: InferMessage, timeoutMs: number, signal: AbortSignal): Promise<readonly Values[]>;
  close(): Promise<void>;
}

/** Why no response was usable: in `details.reason` of ERR_TFT_REMOTE_UNAVAILABLE. */
export type Reason = 'connection' | 'timeout' | 'not ready' | 'overloaded';

/** In a response, besides the outputs. */
export const MAX_TEXT_BYTES = 2 ** 20;

/** What a server is called that does not say its name. */
export const UNNAMED = { server: 'KServe v2', version: 'unknown' } as const;

/** The bytes of the outputs of `series` series. */
export function outputBytes({ outputs }: ModelTensors, series: number): number {
  return outputs.reduce((sum, { size }) => sum + size * series * 4, 0);
}

export function unavailable(origin: string, reason: Reason, message: string, cause?: unknown): TFTError {
  return new TFTError('ERR_TFT_REMOTE_UNAVAILABLE', `${origin} is not available: ${message}`, {
    cause,
    details: { endpoint: origin, reason },
  });
}

export function noResponse(origin: string, timeoutMs: number): TFTError {
  return unavailable(origin, 'timeout', `no response within ${Math.ceil(timeoutMs)} ms`);
}

export function tooLarge(origin: string, maxBytes: number): TFTError {
  return new TFTError(
    'ERR_TFT_REMOTE_ANSWER',
    `${origin} answers with more than the ${maxBytes} bytes that are expected`,
  );
}

/** The statuses that end a request, by the code of their error. */
const SAYS = {
  ERR_TFT_DEADLINE: (origin: string) => `${origin} did not run the request in time`,
  ERR_TFT_RUN: (origin: string) => `${origin} failed`,
  ERR_TFT_REMOTE_REFUSED: (origin: string, path: string) => `${origin}${path} refuses the request`,
} as const;

/**
 * The error of a status that ends a request.
 *
 * @param status as the protocol has it; `said` is it with the server's text.
 */
export function ending(
  code: keyof typeof SAYS,
  { origin, path, status, said }: { origin: string; path: string; status: number | string; said: string },
): TFTError {
  return new TFTError(code, `${SAYS[code](origin, path)}: ${said}`, {
    details: { endpoint: origin, status },
  });
}
