// Errors about input tensors. Readers know the tensors by different names: encoderCont in JavaScript, encoder_cont over
// HTTP. The function that writes the message is kept with the error, so that the service can ask for its own spelling.
import { TFTError, type TFTErrorCode } from './errors.js';

/** How a reader spells a tensor that JavaScript knows by this key. */
export type Spelling = (key: string) => string;

/** Writes a message in a spelling. */
type Writer = (spell: Spelling) => string;

const writers = new WeakMap<TFTError, Writer>();

/** An error about an input; its `message` has the names of JavaScript. */
export function inputError(
  code: TFTErrorCode,
  write: Writer,
  details: Readonly<Record<string, unknown>> = {},
): TFTError {
  const error = new TFTError(code, write(asInJavaScript), { details });
  writers.set(error, write);
  return error;
}

/** An error's message with a reader's own names of the tensors. */
export function messageFor(error: TFTError, spell: Spelling): string {
  return writers.get(error)?.(spell) ?? error.message;
}

/** The same error with the place of the request that it is about. */
export function inRequest(error: unknown, index: number): unknown {
  if (!(error instanceof TFTError)) return error;
  return inputError(error.code, (spell) => `request ${index}: ${messageFor(error, spell)}`, {
    request: index,
    ...error.details,
  });
}

export function asInJavaScript(key: string): string {
  return key;
}
