// The program `tft`: combines its commands and turns their outcome into an exit status.
import { Command } from 'commander';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { reportFailure } from './failure.js';
import { ownVersion } from './own-version.js';

const EXAMPLES = `
Examples:
  $ tft demo                      forecasts of a sample fleet, here and now
  $ tft predict history.csv       forecasts of your servers
  $ tft serve                     forecasts over HTTP
  $ tft fleet --replay demo       forecasts of a fleet, live
  $ tft doctor                    what this machine can run
  $ tft verify demo               is the model computed right here?

Each command has its own --help. TFT_DEBUG=1 adds stack traces to errors; NO_COLOR=1
takes the colours out.`;

type MakeCommand = (console: Console, exit: (status: number) => void) => Command;

/** In the order of the help. Each is loaded when it is asked for: what a service needs takes longer to load than a version. */
const COMMANDS: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  predict: async () => (await import('./predict.js')).predictCommand,
  backtest: async () => (await import('./backtest.js')).backtestCommand,
  alerts: async () => (await import('./alerts.js')).alertsCommand,
  demo: async () => (await import('./demo.js')).demoCommand,
  serve: async () => (await import('./serve.js')).serveCommand,
  fleet: async () => (await import('./fleet.js')).fleetCommand,
  simulate: async () => (await import('./simulate.js')).simulateCommand,
  doctor: async () => (await import('./doctor.js')).doctorCommand,
  verify: async () => (await import('./verify.js')).verifyCommand,
  build: async () => (await import('./build.js')).buildCommand,
  trtexec: async () => (await import('./trtexec/command.js')).trtexecCommand,
  inspect: async () => (await import('./inspect.js')).inspectCommand,
  cache: async () => (await import('./cache.js')).cacheCommand,
  calibration: async () => (await import('./calibration.js')).calibrationCommand,
  'triton-repository': async () => (await import('./triton-repository.js')).tritonRepositoryCommand,
};

/** The command that is asked for, or all where none is, for the help and for the nearest name. */
async function commandsFor([first]: readonly string[]): Promise<MakeCommand[]> {
  const asked = first === undefined ? undefined : Object.entries(COMMANDS).find(([name]) => name === first);
  return Promise.all((asked === undefined ? Object.values(COMMANDS) : [asked[1]]).map((load) => load()));
}

/** Runs the command line. Resolves with the exit status and never rejects. */
export async function runProgram(args: readonly string[], given: Console): Promise<number> {
  let status = OK;
  let hasOutput = false;
  const console: Console = {
    err: given.err,
    out: {
      ...given.out,
      write(text) {
        hasOutput = true;
        return given.out.write(text);
      },
    },
  };
  const exit = (code: number) => {
    status = code;
  };
  const program = new Command('tft')
    .description('Forecasts of server metrics with a Temporal Fusion Transformer.')
    .version(ownVersion(), '-V, --version')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(tft --help lists commands and options)');
  for (const command of await commandsFor(args)) program.addCommand(command(console, exit));
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
    // With --json the output is one document, so no second one follows the first.
    return reportFailure(error, console, args.includes('--json') && !hasOutput);
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
