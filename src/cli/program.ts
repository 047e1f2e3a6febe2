// The program `tft`: combines its commands and turns their outcome into an exit status.
import { Command } from 'commander';
import { ownVersion } from '../index.js';
import { backtestCommand } from './backtest.js';
import { buildCommand } from './build.js';
import { cacheCommand } from './cache.js';
import { calibrationCommand } from './calibration.js';
import type { Console } from './console.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { OK } from './exit-codes.js';
import { reportFailure } from './failure.js';
import { fleetCommand } from './fleet.js';
import { inspectCommand } from './inspect.js';
import { predictCommand } from './predict.js';
import { serveCommand } from './serve.js';
import { simulateCommand } from './simulate.js';
import { trtexecCommand } from './trtexec/command.js';
import { verifyCommand } from './verify.js';

const EXAMPLES = `
Examples:
  $ tft demo                      forecasts of a sample fleet, here and now
  $ tft predict history.csv       forecasts of your servers
  $ tft serve                     forecasts over HTTP
  $ tft fleet --replay demo       forecasts of a fleet, live
  $ tft doctor                    what this machine can run
  $ tft verify models/demo        is the model computed right here?

Each command has its own --help. TFT_DEBUG=1 adds stack traces to errors; NO_COLOR=1
takes the colours out.`;

const COMMANDS = [
  predictCommand,
  backtestCommand,
  demoCommand,
  serveCommand,
  fleetCommand,
  simulateCommand,
  doctorCommand,
  verifyCommand,
  buildCommand,
  trtexecCommand,
  inspectCommand,
  cacheCommand,
  calibrationCommand,
];

/** Runs the command line. Resolves with the exit status and never rejects. */
export async function runProgram(args: readonly string[], console: Console): Promise<number> {
  let status = OK;
  const exit = (code: number) => {
    status = code;
  };
  const program = new Command('tft')
    .description('Forecasts of server metrics with a Temporal Fusion Transformer.')
    .version(ownVersion(), '-V, --version')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(tft --help lists commands and options)');
  for (const command of COMMANDS) program.addCommand(command(console, exit));
  for (const command of withSubcommands(program)) {
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

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
