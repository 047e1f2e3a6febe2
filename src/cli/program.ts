// The program `tft`: its commands put together, and an exit status for whatever happens in them.
import { createRequire } from 'node:module';
import { Command } from 'commander';
import type { Console } from './console.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { OK } from './exit-codes.js';
import { reportFailure } from './failure.js';
import { predictCommand } from './predict.js';
import { serveCommand } from './serve.js';
import { verifyCommand } from './verify.js';

const EXAMPLES = `
Examples:
  $ tft demo                      forecasts of a sample fleet, here and now
  $ tft predict history.csv       forecasts of your servers
  $ tft serve                     forecasts over HTTP
  $ tft doctor                    what this machine can run
  $ tft verify models/demo        is the model computed right here?

Each command has its own --help. TFT_DEBUG=1 adds stack traces to errors; NO_COLOR=1
takes the colours out.`;

/** Runs the command line and resolves to the exit status; never rejects. */
export async function runProgram(args: readonly string[], console: Console): Promise<number> {
  let status = OK;
  const exit = (code: number) => {
    status = code;
  };
  const program = new Command('tft')
    .description('Forecasts of server metrics with a Temporal Fusion Transformer.')
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(tft --help lists commands and options)');
  for (const command of [predictCommand, demoCommand, serveCommand, doctorCommand, verifyCommand]) {
    program.addCommand(command(console, exit));
  }
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => void console.out.write(text),
      writeErr: (text) => void console.err.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, `${console.err.paint('red', 'tft:')}`)),
    });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    return reportFailure(error, console);
  }
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return version;
}
