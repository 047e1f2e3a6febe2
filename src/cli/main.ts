#!/usr/bin/env node
// Entry point of the command `tft`. It does not call process.exit(), which would cut off output that is still in a pipe.
import { processConsole } from './console.js';
import { FAILED } from './exit-codes.js';
import { runProgram } from './program.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that stops reading, as in `tft predict … | head`, is not an error.
  if (error.code === 'EPIPE') return;
  process.stderr.write(`tft: the output cannot be written: ${error.message} (ERR_TFT_FILE)\n`);
  process.exitCode = FAILED;
});

const status = await runProgram(process.argv.slice(2), processConsole());
process.exitCode ||= status;
