// The state of one call of `tft trtexec` that its steps share.
import type { BuildBar } from '../build-bar.js';
import type { Console } from '../console.js';
import type { TrtexecOptions } from './options.js';

/** The options, the output, and the signal that cancels it. */
export interface TrtexecRun {
  readonly options: TrtexecOptions;
  readonly console: Console;
  readonly signal: AbortSignal;
  readonly bar: BuildBar;
}
