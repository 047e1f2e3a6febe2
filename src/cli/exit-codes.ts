// The exit statuses of the program. docs/cli.md lists them for users.

/** Everything was done. */
export const OK = 0;
/** Nothing was done: a mistake in the command or its input, or a check that failed. */
export const FAILED = 1;
/** Some servers were forecast, others refused. */
export const PARTLY = 2;
/** Ended by Ctrl-C: the shells' convention. */
export const INTERRUPTED = 130;
