#!/usr/bin/env node
// Entry of the command `tft`. The process is left to end by itself: output still in a pipe is not cut off.
import { existsSync } from 'node:fs';
import { processConsole } from './console.js';
import { FAILED } from './exit-codes.js';
import { ownVersion } from './own-version.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that stops reading, as in `tft predict … | head`, is not an error.
  if (error.code === 'EPIPE') return;
  process.stderr.write(`tft: the output cannot be written: ${error.message} (ERR_TFT_FILE)\n`);
  process.exitCode = FAILED;
});

if (!hasWorkingFolder()) {
  // It has been deleted, as a deployment does, and threads do not start in such a one.
  process.chdir('/');
}

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${ownVersion()}\n`);
} else {
  const { runProgram } = await import('./program.js');
  const status = await runProgram(args, processConsole());
  process.exitCode ||= status;
}

function hasWorkingFolder(): boolean {
  try {
    // What it returns may be remembered from before.
    return existsSync(process.cwd());
  } catch {
    return false;
  }
}
