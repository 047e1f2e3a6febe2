// The error class of this package, and the text of a failed zod check.
import type { z } from 'zod';
import type { TFTErrorCode } from './error-codes.js';

export type { TFTErrorCode } from './error-codes.js';

/** The properties of a {@link TFTError} besides its code and message. */
export interface TFTErrorOptions {
  /** The error that caused this one. */
  cause?: unknown;
  /** The message's facts as data: tensor, index, found, expected and the like. */
  details?: Record<string, unknown>;
}

/** Every error that this package throws on purpose. Branch on `code`, show `message` to people. */
export class TFTError extends Error {
  readonly code: TFTErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: TFTErrorCode, message: string, options: TFTErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = code === 'ERR_TFT_ABORTED' ? 'AbortError' : 'TFTError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The issues of a failed zod check in one line, each with the path of the value it is about. */
export function describeIssues(error: z.core.$ZodError, shown = 5): string {
  const lines = error.issues
    .slice(0, shown)
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message));
  const hidden = error.issues.length - lines.length;
  return lines.join('; ') + (hidden > 0 ? `; and ${hidden} more` : '');
}
