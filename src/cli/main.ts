#!/usr/bin/env node
// Entry of the command `tft`. The process is left to end by itself: output still in a pipe is not cut off.
import { processConsole } from './console.js';
import { runProgram } from './program.js';

// A reader that has seen enough, as in `tft predict … | head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), processConsole());
