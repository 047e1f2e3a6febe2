// Where the program writes: results to standard output, everything else to standard error; with colours and
// charts only for a person at a terminal.
import { once } from 'node:events';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Colours a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** A standard stream as the commands see it. */
export interface Screen {
  readonly isTerminal: boolean;
  /** Columns; 80 where there is no terminal. */
  readonly width: number;
  readonly paint: Paint;
  /** Resolves when the text was taken: much of it waits for a slow reader. */
  write(text: string): Promise<void>;
}

export interface Console {
  readonly out: Screen;
  readonly err: Screen;
}

/** A name from a file, without the control characters that could steer a terminal. */
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
      // A reader that goes away closes the stream without draining it.
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
