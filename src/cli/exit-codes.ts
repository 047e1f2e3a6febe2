// What the process's exit status says. docs/cli.md lists these for users.

/** All that was asked for was done. */
export const OK = 0;
/** Nothing was done: a mistake in the command or its input, or a check that failed. */
export const FAILED = 1;
/** Some servers were forecast, others refused. */
export const PARTLY = 2;
/** Ended by Ctrl-C, as shells say it. */
export const INTERRUPTED = 130;
