// Reports a failed command: one line on standard error for a user's mistake, with a stack trace only on request.
import { CommanderError } from 'commander';
import { TFTError } from '../index.js';
import { type Console, printable } from './console.js';
import { FAILED, INTERRUPTED } from './exit-codes.js';

/** Writes the error and returns the exit status. */
export async function reportFailure(error: unknown, { err }: Console): Promise<number> {
  // commander has already written its message or the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : FAILED;
  const debug = Boolean(process.env.TFT_DEBUG);
  if (error instanceof TFTError) {
    await err.write(`${err.paint('red', 'tft:')} ${printable(error.message)} (${error.code})\n`);
  } else {
    const message = error instanceof Error ? error.message : String(error);
    const hint = debug ? '' : '; this is a fault of tft itself: TFT_DEBUG=1 shows where';
    await err.write(`${err.paint('red', 'tft:')} ${printable(message)}${hint}\n`);
  }
  if (debug && error instanceof Error) await err.write(`${describeStack(error)}\n`);
  return error instanceof TFTError && error.code === 'ERR_TFT_ABORTED' ? INTERRUPTED : FAILED;
}

function describeStack(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${describeStack(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
