// Reports a failed command: one line on standard error for a user's mistake, with a stack trace only on request.
import { CommanderError } from 'commander';
import { TFTError } from '../index.js';
import { type Console, printable } from './console.js';
import { FAILED, INTERRUPTED } from './exit-codes.js';

/**
 * Writes the error and returns the exit status.
 *
 * @param asJson whether a program reads the output: it gets `{ "error": { "code", "message" } }` there too.
 */
export async function reportFailure(error: unknown, { out, err }: Console, asJson = false): Promise<number> {
  // commander has already written its message or the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : FAILED;
  const debug = Boolean(process.env.TFT_DEBUG);
  if (asJson) {
    const code = error instanceof TFTError ? error.code : null;
    await out.write(`${JSON.stringify({ error: { code, message: describe(error) } })}\n`);
  }
  if (error instanceof TFTError) {
    await err.write(`${err.paint('red', 'tft:')} ${printable(error.message)} (${error.code})\n`);
  } else {
    await err.write(
      `${err.paint('red', 'tft:')} ${printable(describe(error))}${debug ? '' : hintFor(error)}\n`,
    );
  }
  if (debug && error instanceof Error) await err.write(`${describeStack(error)}\n`);
  return error instanceof TFTError && error.code === 'ERR_TFT_ABORTED' ? INTERRUPTED : FAILED;
}

/** What the system or Node refused says why in its code; everything else is a fault of this program. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, permission, resource } = error as Refusal;
  if (code !== 'ERR_ACCESS_DENIED') return error.message;
  return (
    `Node's permission model forbids ${permission ?? 'this'}${resource ? ` of ${resource}` : ''}; ` +
    `reading, threads and addons are needed: --allow-fs-read=*, --allow-worker, --allow-addons (${code})`
  );
}

interface Refusal extends NodeJS.ErrnoException {
  readonly permission?: string;
  readonly resource?: string;
}

function hintFor(error: unknown): string {
  const { code, syscall } = error as Refusal;
  if (code === 'ERR_ACCESS_DENIED' || (code !== undefined && syscall !== undefined)) return '';
  return '; this is a fault of tft itself: TFT_DEBUG=1 shows where';
}

function describeStack(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${describeStack(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
