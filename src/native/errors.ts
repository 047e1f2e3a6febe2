// The addon's errors as TFTErrors: the only place where one becomes the other. A code of the core's is a code
// of TFTError's, letter by letter (cpp/core/include/tft/error.h).
import { TFTError, type TFTErrorCode } from '../contract/errors.js';

/** Where the addon found a value that the model cannot take. */
export interface BadValue {
  /** Which part of the request. */
  readonly part: number;
  /** Which of its four inputs. */
  readonly input: number;
  /** Which element of that array. */
  readonly index: number;
  readonly found: number;
}

/** @returns the error as a TFTError; anything that is not the addon's as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('ERR_TFT_'))
    return error;
  return new TFTError(error.code as TFTErrorCode, error.message, { cause: error });
}

/** What the addon's error says about a bad value, if that is what it is about. */
export function badValueOf(error: unknown): BadValue | undefined {
  return error instanceof Error && 'input' in error ? (error as Error & BadValue) : undefined;
}
