// `tft fleet`: runs the service with the daemon in it until it is stopped.
import { Command } from 'commander';
import {
  FleetExtension,
  fleetSettings,
  previewSources,
  printableFleetSettings,
  readFleetSettings,
} from '../fleet/index.js';
import { loadModel } from '../index.js';
import { printableConfig, readConfig, settings, settingsFileOf } from '../service/index.js';
import type { Console } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { previewText } from './present/fleet-preview.js';
import { addSettings, type Flags, givenFlags } from './setting-options.js';
import { DEMO_BUNDLE } from './shared-options.js';
import { serveUntilStopped } from './until-stopped.js';

const EXAMPLES = `
Settings of 'tft serve' are taken too. Those of the daemon are variables of the environment as well
(--max-servers is TFT_FLEET_MAX_SERVERS) and keys of the same JSON file.

Examples:
  $ tft fleet --replay demo
  $ tft fleet --prometheus http://localhost:9090 --preview
  $ tft fleet --prometheus http://localhost:9090
  $ tft fleet --data /var/lib/tft-fleet --api-keys-file keys.txt --host 0.0.0.0`;

export function fleetCommand(console: Console, exit: (status: number) => void): Command {
  const command = new Command('fleet')
    .summary('forecast a fleet of servers from live metrics')
    .description('Takes metrics of servers as they come, and forecasts all of them every step.')
    .option('--config <file>', 'settings as JSON; flags and environment variables override them')
    .option('--preview', 'show what the mapping finds in the Prometheus servers, and exit')
    .option('--print-config', 'print the effective settings without keys, and exit');
  addSettings(command, fleetSettings);
  addSettings(command, settings);
  return command.addHelpText('after', EXAMPLES).action(async (options: Flags) => {
    const { config: given, printConfig, preview, ...flags } = givenFlags(command, options);
    const file = settingsFileOf({
      file: typeof given === 'string' ? given : undefined,
      environment: process.env,
    });
    const own = new Set(fleetSettings.map(({ key }) => key));
    const only = (isOwn: boolean) =>
      Object.fromEntries(Object.entries(flags).filter(([key]) => own.has(key) === isOwn));
    const fleet = readFleetSettings({ flags: only(true), environment: process.env, file });
    const configured = (explain: boolean) =>
      readConfig({
        flags: only(false),
        environment: process.env,
        file,
        foreign: [...own],
        defaults: { model: DEMO_BUNDLE, explain },
      });
    let config = configured(false);
    // The demonstration shows everything. Elsewhere explanations are asked for, since they take a little time.
    if (fleet.replay === 'demo' && config.model === DEMO_BUNDLE) config = configured(true);
    if (printConfig) {
      const service = JSON.parse(printableConfig(config)) as object;
      await console.out.write(
        `${JSON.stringify({ ...service, ...printableFleetSettings(fleet) }, null, 2)}\n`,
      );
      return exit(OK);
    }
    if (preview) {
      const previews = await previewSources(fleet, await loadModel(config.model));
      for (const [url, found] of previews) await console.out.write(previewText(url, found));
      return exit([...previews.values()].every(({ servers }) => servers.length > 0) ? OK : FAILED);
    }
    const extension = new FleetExtension({ settings: fleet });
    await serveUntilStopped(config, exit, [extension], (service) => extension.begin(service));
  });
}
