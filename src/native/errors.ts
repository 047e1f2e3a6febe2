// Converts the addon's errors to TFTErrors; nothing else does. The core's codes are spelled exactly as TFTError's:
// test/unit/error-codes.test.ts compares them.
import { TFTError, type TFTErrorCode } from '../contract/errors.js';

/** An invalid value that the addon found. */
export interface BadValue {
  /** The index of the request's part. */
  readonly part: number;
  /** The index of the input. */
  readonly input: number;
  /** The index in that input's array. */
  readonly index: number;
  readonly found: number;
}

/** Why a request did not fit into the addon's queue, in series. */
export interface FullQueue {
  readonly waiting: number;
  /** The request's own. */
  readonly refused: number;
  readonly limit: number;
}

/** @returns the error as a TFTError. Errors that are not the addon's are returned as they are. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('ERR_TFT_'))
    return error;
  return new TFTError(error.code as TFTErrorCode, error.message, { cause: error });
}

/** The invalid value that an error of the addon is about; undefined for other errors. */
export function badValueOf(error: unknown): BadValue | undefined {
  return error instanceof Error && 'input' in error ? (error as Error & BadValue) : undefined;
}

/** The queue that an error of the addon is about; undefined for other errors. */
export function fullQueueOf(error: unknown): FullQueue | undefined {
  return error instanceof Error && 'refused' in error ? (error as Error & FullQueue) : undefined;
}
