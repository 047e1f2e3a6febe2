// What the service answers when it cannot: a status, a stable code and a message that says what to do.
import { TFTError, type TFTErrorCode } from '../../contract/errors.js';
import { messageFor } from '../../contract/input-error.js';
import { INPUTS } from '../../contract/names.js';

/** Codes of refusals that are about HTTP, not about the model; the others are TFTErrorCode's. */
export type HttpErrorCode =
  /** No such path. */
  | 'ERR_TFT_HTTP_NOT_FOUND'
  /** The path does not take this method; the header Allow lists those that it takes. */
  | 'ERR_TFT_HTTP_METHOD'
  /** The model or the version asked for is not the one that is served. */
  | 'ERR_TFT_HTTP_MODEL'
  /** The API key is missing or wrong. */
  | 'ERR_TFT_HTTP_KEY'
  /** The API key does not permit this. */
  | 'ERR_TFT_HTTP_FORBIDDEN'
  /** The body cannot be read: its JSON, its lengths or its shapes are wrong. */
  | 'ERR_TFT_HTTP_BODY'
  /** A header has a value that cannot be used, or there are too many. */
  | 'ERR_TFT_HTTP_HEADER'
  /** What was asked for is known but not offered here, such as shared memory. */
  | 'ERR_TFT_HTTP_UNSUPPORTED'
  /** The body, as sent or unpacked, or the batch is over the limit. */
  | 'ERR_TFT_HTTP_TOO_LARGE'
  /** The Content-Encoding is none of gzip, deflate, br, identity; or the content is not in it. */
  | 'ERR_TFT_HTTP_ENCODING'
  /** The request did not arrive in time. */
  | 'ERR_TFT_HTTP_TIMEOUT'
  /** The client went away before its answer. Nobody reads this but the log. */
  | 'ERR_TFT_HTTP_GONE'
  /** Too much is waiting or under way; the header Retry-After says when to come again. */
  | 'ERR_TFT_HTTP_OVERLOADED'
  /** No model is loaded yet, or the service is stopping. */
  | 'ERR_TFT_HTTP_NOT_READY'
  /** A fault of the service. */
  | 'ERR_TFT_HTTP_INTERNAL';

/** The body of every answer that is an error. */
export interface ErrorBody {
  readonly error: string;
  readonly code: string;
  readonly request_id?: string;
}

/** A refusal. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: HttpErrorCode | TFTErrorCode;
  /** Seconds after which the request may be sent again. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: HttpErrorCode | TFTErrorCode,
    message: string,
    options: { retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.retryAfter = options.retryAfter;
  }
}

/** For a body that cannot be read. */
export function badBody(message: string, cause?: unknown): HttpError {
  return new HttpError(400, 'ERR_TFT_HTTP_BODY', message, { cause });
}

/** nginx's number for a client that closed its connection. */
export const CLIENT_GONE = 499;

const STATUS: Partial<Record<TFTErrorCode, number>> = {
  ERR_TFT_INPUT_TYPE: 400,
  ERR_TFT_INPUT_LENGTH: 400,
  ERR_TFT_INPUT_BATCH: 400,
  ERR_TFT_INPUT_EMPTY: 400,
  ERR_TFT_INPUT_VALUE: 400,
  ERR_TFT_INPUT_CATEGORY: 400,
  ERR_TFT_ABORTED: CLIENT_GONE,
  ERR_TFT_QUEUE_FULL: 503,
  ERR_TFT_CLOSED: 503,
  ERR_TFT_BACKEND_LOST: 503,
  ERR_TFT_OUT_OF_MEMORY: 503,
  ERR_TFT_DEVICE_LOST: 503,
  ERR_TFT_DEADLINE: 504,
};

const RETRY_SECONDS = 1;

/** Whatever was thrown, as a refusal. What is not meant for the client's eyes becomes a plain 500. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof TFTError) {
    const status = STATUS[error.code] ?? 500;
    return new HttpError(status, error.code, messageFor(error, wireName), {
      cause: error,
      ...(status === 503 ? { retryAfter: RETRY_SECONDS } : {}),
    });
  }
  return fromFramework(error) ?? internal(error);
}

/** Errors of Fastify's own: a URL that is none, a Content-Type that is none. */
function fromFramework(error: unknown): HttpError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return undefined;
  const { code, statusCode, message } = error;
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number')
    return undefined;
  if (statusCode < 400 || statusCode >= 500) return undefined;
  const named = statusCode === 413 ? 'ERR_TFT_HTTP_TOO_LARGE' : 'ERR_TFT_HTTP_HEADER';
  return new HttpError(statusCode, named, message, { cause: error });
}

function internal(error: unknown): HttpError {
  return new HttpError(500, 'ERR_TFT_HTTP_INTERNAL', 'a fault of the service; its log says more', {
    cause: error,
  });
}

/** HTTP clients know the tensors by their names in model.json. */
function wireName(key: string): string {
  return INPUTS.find((input) => input.key === key)?.name ?? key;
}
