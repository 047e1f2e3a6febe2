// The program's output: results go to standard output, everything else to standard error. Colours and charts are only for
// terminals.
import { once } from 'node:events';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Colours a text, or returns it unchanged. */
export type Paint = (style: Style, text: string) => string;

/** A standard stream as commands use it. */
export interface Screen {
  readonly isTerminal: boolean;
  /** The number of columns; 80 without a terminal. */
  readonly width: number;
  readonly paint: Paint;
  /** Resolves when the stream has accepted the text, which may wait for a slow reader. */
  write(text: string): Promise<void>;
}

export interface Console {
  readonly out: Screen;
  readonly err: Screen;
}

/** A name from a file without control characters, which could control the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\uFFFD');
}

/** The console of this process. */
export function processConsole(): Console {
  return { out: screenOf(process.stdout), err: screenOf(process.stderr) };
}

function screenOf(stream: NodeJS.WriteStream): Screen {
  const isTerminal = stream.isTTY === true;
  const coloured = wantsColour(isTerminal);
  return {
    isTerminal,
    width: isTerminal ? Math.max(40, stream.columns ?? 80) : 80,
    paint: coloured ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text,
    async write(text) {
      if (stream.destroyed || stream.errored) return;
      // A reader that exits closes the stream without draining it.
      if (!stream.write(text))
        await Promise.race([once(stream, 'drain'), once(stream, 'close')]).catch(() => {});
    },
  };
}

/** See no-color.org and force-color.org. */
function wantsColour(isTerminal: boolean): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0';
  return isTerminal && TERM !== 'dumb';
}
