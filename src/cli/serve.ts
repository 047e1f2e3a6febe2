// `tft serve`: runs the HTTP service until it is stopped.
import { Command } from 'commander';
import { printableConfig, readConfig, settings } from '../service/index.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { addSettings, type Flags, givenFlags } from './setting-options.js';
import { DEMO_BUNDLE } from './shared-options.js';
import { serveUntilStopped } from './until-stopped.js';

const EXAMPLES = `
Every setting is also a variable of the environment (--max-wait-ms is TFT_SERVE_MAX_WAIT_MS) and a key of the JSON
file (maxWaitMs). A flag wins over the environment, that over the file. API keys come from the environment
(TFT_SERVE_API_KEYS, TFT_SERVE_ADMIN_KEYS, separated by commas) or from files.

Signals: SIGTERM and SIGINT stop it once the current requests are finished, a second one at once; SIGHUP loads the
model, the keys and the certificates again.

Examples:
  $ tft serve
  $ tft serve --model models/mine --port 9000
  $ tft serve --host 0.0.0.0 --api-keys-file keys.txt
  $ tft serve --config serve.json --print-config`;

export function serveCommand(console: Console, exit: (status: number) => void): Command {
  const command = new Command('serve')
    .summary('serve forecasts over HTTP')
    .description('Serves forecasts over HTTP: JSON at /predict, and the KServe v2 protocol of Triton.')
    .option('--config <file>', 'settings as JSON; flags and environment variables override them')
    .option('--print-config', 'print the effective settings without keys, and exit');
  addSettings(command, settings);
  return command.addHelpText('after', EXAMPLES).action(async (options: Flags) => {
    const { config: file, printConfig, ...flags } = givenFlags(command, options);
    const config = readConfig({
      flags,
      environment: process.env,
      file: typeof file === 'string' ? file : undefined,
      defaults: { model: DEMO_BUNDLE },
    });
    if (printConfig) {
      await console.out.write(`${printableConfig(config)}\n`);
      return exit(OK);
    }
    await serveUntilStopped(config, exit);
  });
}
