// The service's error responses: a status, a stable code and a message that says what to do.
import { ERRORS, type HttpErrorCode, type TFTErrorCode } from '../../contract/error-codes.js';
import { TFTError } from '../../contract/errors.js';
import { messageFor } from '../../contract/input-error.js';
import { INPUTS, LENGTHS_INPUT, STATIC_INPUT } from '../../contract/names.js';
import { keyOf } from '../../contract/tensors.js';

export type { HttpErrorCode } from '../../contract/error-codes.js';

/** The body of an error response. */
export interface ErrorBody {
  readonly error: string;
  readonly code: string;
  readonly request_id?: string;
}

/** The error of a refused request. */
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

/** Creates an HttpError with its code's status. */
export function refusal(
  code: HttpErrorCode | TFTErrorCode,
  message: string,
  { status = ERRORS[code].status ?? 500, ...options }: RefusalOptions = {},
): HttpError {
  return new HttpError(status, code, message, options);
}

/** Options of {@link refusal}. */
export interface RefusalOptions {
  /** One of the code's other statuses. */
  status?: number;
  retryAfter?: number;
  cause?: unknown;
}

/** The error for a body that cannot be read. */
export function badBody(message: string, cause?: unknown): HttpError {
  return refusal('ERR_TFT_HTTP_BODY', message, { cause });
}

const RETRY_SECONDS = 1;

/** Converts anything thrown to an HttpError. Errors that clients must not see become a plain 500. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof TFTError) {
    const { status = 500 } = ERRORS[error.code];
    return new HttpError(status, error.code, messageFor(error, wireName), {
      cause: error,
      ...(status === 503 ? { retryAfter: RETRY_SECONDS } : {}),
    });
  }
  return fromFramework(error) ?? internal(error);
}

/** Converts Fastify's own errors: an invalid URL, an invalid Content-Type. */
function fromFramework(error: unknown): HttpError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return undefined;
  const { code, statusCode, message } = error;
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number')
    return undefined;
  if (statusCode < 400 || statusCode >= 500) return undefined;
  const named = statusCode === 413 ? 'ERR_TFT_HTTP_TOO_LARGE' : 'ERR_TFT_HTTP_HEADER';
  return refusal(named, message, { status: statusCode, cause: error });
}

function internal(error: unknown): HttpError {
  return refusal('ERR_TFT_HTTP_INTERNAL', 'a fault of the service; its log says more', {
    cause: error,
  });
}

/** HTTP clients know the tensors by their names in model.json. */
function wireName(key: string): string {
  const names = [...INPUTS.map(({ name }) => name), STATIC_INPUT, LENGTHS_INPUT];
  return names.find((name) => keyOf(name) === key) ?? key;
}
