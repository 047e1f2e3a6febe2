// `tft serve`: runs the HTTP service until it is stopped.
import { setFlagsFromString } from 'node:v8';
import { Command, Option } from 'commander';
import {
  makeLog,
  printableConfig,
  readConfig,
  Service,
  type ServiceLog,
  type Setting,
  settings,
  startTracing,
} from '../service/index.js';
import type { Console } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { DEMO_BUNDLE } from './shared-options.js';

type Flags = Record<string, string | boolean | undefined>;

/**
 * How far the heap may grow between full collections, in per cent of the live memory. By V8's default, on a heap this small
 * the memory of a few dozen bodies triggers a full collection, and these then take a fifth of all time or more.
 */
const HEAP_GROWTH = '--heap-growing-percent=400';

/** How long a process that has nothing to do any more may take to end by itself. */
const LAST_MOMENT_MS = 500;

const EXAMPLES = `
Every setting is also a variable of the environment (--max-wait-ms is TFT_SERVE_MAX_WAIT_MS) and a key of the JSON
file (maxWaitMs). A flag wins over the environment, that over the file. API keys come from the environment
(TFT_SERVE_API_KEYS, TFT_SERVE_ADMIN_KEYS, separated by commas) or from files.

Signals: SIGTERM and SIGINT stop it when what is under way is finished, a second one at once; SIGHUP loads the
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
  for (const setting of settings) {
    const option = optionOf(setting);
    if (option) command.addOption(option);
  }
  return command.addHelpText('after', EXAMPLES).action(async (options: Flags) => {
    // A default of commander must not override the environment.
    const given = Object.entries(options).filter(([key]) => command.getOptionValueSource(key) === 'cli');
    const { config: file, printConfig, ...flags }: Flags = Object.fromEntries(given);
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
    setFlagsFromString(HEAP_GROWTH);
    const log = makeLog(config.logLevel);
    const stopTracing = await startTracing(process.env, log);
    const service = await Service.start(config, log);
    const finished = await untilStopped(service, log);
    await stopTracing();
    exit(finished ? OK : FAILED);
    // Exits explicitly, because a native library may keep threads of its own running.
    process.exitCode = finished ? OK : FAILED;
    // Nothing is left to do, but a model that still loads, or a log whose reader is stuck, would keep the process.
    setTimeout(() => process.exit(), LAST_MOMENT_MS).unref();
  });
}

function optionOf({ key, flag, kind, choices, meaning, fallback }: Setting): Option | undefined {
  if (flag === undefined) return undefined;
  const shown = fallback === undefined || kind === 'boolean' ? '' : ` (default: ${String(fallback)})`;
  const short = key === 'model' ? '-m, ' : '';
  if (kind === 'boolean') {
    // A setting that is on by default only needs a flag that turns it off.
    return new Option(
      fallback === true ? `--no-${flag.slice(2)}` : flag,
      fallback === true ? `do not ${meaning}` : meaning,
    ).default(undefined);
  }
  const option = new Option(`${short}${flag} <${kind === 'number' ? 'n' : 'value'}>`, `${meaning}${shown}`);
  return choices === undefined ? option : option.choices(choices);
}

/** @returns whether the model was loaded and all requests were finished. */
async function untilStopped(service: Service, log: ServiceLog): Promise<boolean> {
  return new Promise((resolve) => {
    let signals = 0;
    const onStop = (signal: NodeJS.Signals) => {
      if (++signals > 1) {
        log.warn(`${signal} again: ended at once`);
        process.exit(FAILED);
      }
      service.stop().then(resolve);
    };
    process.on('SIGTERM', onStop).on('SIGINT', onStop);
    process.on('SIGHUP', () => {
      // The log says what failed.
      service.reload().catch(() => {});
    });
    service.loaded.catch(async () => {
      // The log has the reason. A supervisor sees the exit status and restarts the service.
      await service.stop();
      resolve(false);
    });
  });
}
