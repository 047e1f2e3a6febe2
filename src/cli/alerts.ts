// `tft alerts`: checks a file of alert rules, and shows what rules would have done over a stored history.
import { Command, Option } from 'commander';
import { loadColumnMap } from '../entries/history.js';
import { type AlertsPreview, previewAlerts, readRules } from '../entries/judging.js';
import { loadModel, type ModelDescription } from '../index.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { loadEngine } from './load-engine.js';
import { previewReport } from './present/previewed.js';
import { targetUnit } from './present/summary.js';
import { startProgress } from './progress.js';
import {
  addEngineOptions,
  type EngineOptions,
  modelOption,
  serversOption,
  wholeNumber,
} from './shared-options.js';

const EXAMPLES = `
Every alert is made from the forecasts of that time, and compared with the measurements:
'right' when the target crossed the threshold within the rule's 'within' after it fired.

Examples:
  $ tft alerts check rules.yaml
  $ tft alerts preview rules.yaml --history history.csv
  $ tft alerts preview rules.yaml --history /var/lib/tft-fleet
  $ tft alerts preview rules.yaml --history trace.csv.gz --map maps/bitbrains.json --list`;

interface PreviewOptions extends EngineOptions {
  history: string;
  map?: string;
  servers?: string[];
  every?: number;
  list?: boolean;
  json?: boolean;
}

export function alertsCommand(console: Console, exit: (status: number) => void): Command {
  const check = new Command('check')
    .summary('check a file of alert rules')
    .description('Checks a file of alert rules against a model, and says what each rule will do.')
    .argument('<rules>', 'YAML or JSON file')
    .addOption(modelOption())
    .action(async (path: string, { model: bundle }: { model: string }) => {
      const model = await loadModel(bundle, { verifyHash: false });
      const { rules, notify } = await readRules(path, ruleModelOf(model));
      for (const rule of rules) await console.out.write(`${describe(rule)}\n`);
      const receivers = [...notify.alertmanager, ...notify.webhooks].map(({ url }) => new URL(url).origin);
      await console.out.write(
        receivers.length === 0 ? 'no receivers: `notify` is empty\n' : `sends to ${receivers.join(', ')}\n`,
      );
      exit(OK);
    });
  const preview = addEngineOptions(
    new Command('preview')
      .summary('what rules would have done over a stored history')
      .description(
        'Replays a history under alert rules: how often each would have fired, and how often it would have been right.',
      )
      .argument('<rules>', 'YAML or JSON file')
      .requiredOption(
        '--history <file>',
        "CSV file, gzipped or not, each server in the order of time; or the folder of a daemon's --data",
      )
      .option('--map <file>', 'column map: how columns become the metrics')
      .addOption(serversOption())
      .addOption(
        new Option(
          '--every <minutes>',
          "minutes between the forecasts of a server (default: the model's step, as the daemon does)",
        ).argParser(wholeNumber),
      )
      .option('--list', 'also list every alert')
      .option('--json', 'print JSON'),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, options: PreviewOptions) => {
      exit(await runPreview(path, options, console));
    });
  return new Command('alerts')
    .summary('check alert rules, and preview them on a history')
    .description('Checks alert rules, and previews them on a stored history.')
    .addCommand(check)
    .addCommand(preview);
}

async function runPreview(path: string, options: PreviewOptions, console: Console): Promise<number> {
  const map = options.map === undefined ? undefined : await loadColumnMap(options.map);
  let result: AlertsPreview;
  {
    await using engine = await loadEngine(options.model, options, console);
    const { rules } = await readRules(path, ruleModelOf(engine.model));
    const progress = startProgress(console.err, 'replaying');
    result = await previewAlerts(engine, rules, options.history, {
      map,
      servers: options.servers,
      everyMinutes: options.every,
      onProgress: progress.update,
    }).finally(progress.stop);
  }
  await console.out.write(
    options.json
      ? `${JSON.stringify(result, undefined, 2)}\n`
      : previewReport(result, options.list ?? false, console.out.paint),
  );
  return OK;
}

function ruleModelOf(model: ModelDescription) {
  const { target, stepMinutes, horizon, quantiles } = model;
  return { target, unit: targetUnit(model), stepMinutes, horizon, quantiles };
}

function describe(rule: Awaited<ReturnType<typeof readRules>>['rules'][number]): string {
  const side = rule.sign > 0 ? 'over' : 'under';
  const unit = rule.unit === '' ? '' : ` ${rule.unit}`;
  return (
    `${rule.name} (${rule.severity}): quantile ${rule.quantile} of ${rule.metric} ${side} ${rule.threshold}${unit} within ` +
    `${rule.within} steps in ${rule.forecasts} forecasts in a row; ends when back at ${rule.recover}${unit}`
  );
}
