// One call of `tft trtexec`, as its steps share it.
import type { BuildBar } from '../build-bar.js';
import type { Console } from '../console.js';
import type { TrtexecOptions } from './options.js';

/** The options, where to write, and what stops it. */
export interface TrtexecRun {
  readonly options: TrtexecOptions;
  readonly console: Console;
  readonly signal: AbortSignal;
  readonly bar: BuildBar;
}
