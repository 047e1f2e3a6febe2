// `tft backtest`: what a model's forecasts of a history file would have been worth, against naive ones.
import { Command, Option } from 'commander';
import { loadColumnMap } from '../entries/history.js';
import { type Backtest, backtest } from '../entries/judging.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { loadEngine } from './load-engine.js';
import { gainsSvg } from './present/gains-plot.js';
import { backtestReport } from './present/judged.js';
import { checkPicturePath, writePicture } from './present/picture.js';
import { writeRefusals, writeWarnings } from './present/warnings.js';
import { startProgress } from './progress.js';
import {
  addEngineOptions,
  type EngineOptions,
  fromZero,
  serversOption,
  wholeNumber,
} from './shared-options.js';

interface BacktestOptions extends EngineOptions {
  map?: string;
  every: number;
  servers?: string[];
  maxGap: number;
  resolution?: number;
  json?: boolean;
  plot?: string;
}

const EXAMPLES = `
Every forecast is made from what was known at its time, and scored against the measurements, with
four naive forecasts. Per server it says whether to use the model or a naive forecast; that
choice is made on earlier windows and scored on later ones. docs/judging.md defines the figures.

Examples:
  $ tft backtest history.csv
  $ tft backtest /var/lib/tft-fleet
  $ tft backtest trace.csv.gz --map maps/bitbrains.json --every 120
  $ tft backtest history.csv --json | jq '.servers[] | select(.use != "model")'`;

export function backtestCommand(console: Console, exit: (status: number) => void): Command {
  return addEngineOptions(
    new Command('backtest')
      .summary('judge a model on a history, against naive forecasts')
      .description('Judges a model on a history file: every forecast it would have made, against naive ones.')
      .argument(
        '<history>',
        "CSV file, gzipped or not, each server in the order of time; or the folder of a daemon's --data",
      )
      .option('--map <file>', 'column map: how columns become the metrics')
      .addOption(
        new Option('--every <minutes>', 'minutes between the forecasts of a server')
          .argParser(wholeNumber)
          .default(60),
      )
      .addOption(serversOption())
      .addOption(
        new Option('--max-gap <minutes>', 'fill gaps up to this long with the row before')
          .argParser(fromZero())
          .default(60),
      )
      .addOption(
        new Option(
          '--resolution <number>',
          'how exact the readings are, for the coverage (default: found in the file)',
        ).argParser(fromZero()),
      )
      .option('--json', 'print JSON instead of tables')
      .option('--plot <file>', 'also draw the gains with their intervals, .svg or .png'),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (history: string, options: BacktestOptions) => {
      exit(await run(history, options, console));
    });
}

async function run(source: string, options: BacktestOptions, console: Console): Promise<number> {
  const { out, err } = console;
  if (options.plot !== undefined) checkPicturePath(options.plot);
  const map = options.map === undefined ? undefined : await loadColumnMap(options.map);
  let result: Backtest;
  {
    await using engine = await loadEngine(options.model, options, console);
    const progress = startProgress(err, 'forecasting');
    result = await backtest(engine, source, {
      map,
      servers: options.servers,
      maxGapMinutes: options.maxGap,
      everyMinutes: options.every,
      resolution: options.resolution,
      onForecasts: progress.update,
    }).finally(progress.stop);
  }
  await writeWarnings(result.warnings, err);
  await writeRefusals(result.refused, err);
  if (options.plot !== undefined) {
    await writePicture(options.plot, gainsSvg(result));
    await err.write(`wrote ${options.plot}\n`);
  }
  await out.write(
    options.json ? `${JSON.stringify(result, undefined, 2)}\n` : backtestReport(result, out.paint),
  );
  return OK;
}
