// `tft calibration collect`: samples a calibration set for the model's INT8 variant from histories.
import { Command, InvalidArgumentError, Option } from 'commander';
import { CalibrationReservoir, loadColumnMap, readHistory, writeCalibrationSet } from '../entries/history.js';
import { loadModel } from '../index.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { startProgress } from './progress.js';
import { fromZero, modelOption, wholeNumber } from './shared-options.js';

interface CollectOptions {
  history: string[];
  model: string;
  map?: string;
  maxGap: number;
  windows: number;
  seed: number;
  output: string;
  json?: boolean;
}

const EXAMPLES = `
Every complete window of every server, one for each step, has the same chance to be taken.
Rows must be in order of time within each server. What is written names neither servers nor
times; memory is bounded by the sample and the number of servers.

Examples:
  $ tft calibration collect --history metrics.csv -o calibration
  $ tft calibration collect --history a.csv b.csv.gz --windows 1024 --seed 7 -o calibration
  $ tft-export variants models/demo --calibration calibration`;

export function calibrationCommand(console: Console, exit: (status: number) => void): Command {
  const command = new Command('calibration')
    .summary('collect data to calibrate INT8 models with')
    .description('Collects data to calibrate INT8 models with.')
    .addHelpText('after', EXAMPLES);
  command
    .command('collect')
    .summary('sample windows from history files')
    .description('Samples windows from history files.')
    .requiredOption('--history <file...>', 'CSV files, gzipped or not')
    .addOption(modelOption())
    .option('--map <file>', 'column map: how columns become the metrics')
    .addOption(
      new Option('--max-gap <minutes>', 'fill gaps up to this long')
        .argParser(fromZero('a number of minutes'))
        .default(60),
    )
    .addOption(new Option('--windows <n>', 'the size of the sample').argParser(wholeNumber).default(512))
    .addOption(new Option('--seed <n>', 'the seed of the sample').argParser(seedArgument).default(1))
    .requiredOption('-o, --output <folder>', 'where to write the sample')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: CollectOptions) => {
      await collect(options, console);
      exit(OK);
    });
  return command;
}

async function collect(options: CollectOptions, { out, err }: Console): Promise<void> {
  const { windows, seed, output, maxGap: maxGapMinutes } = options;
  const model = await loadModel(options.model, { verifyHash: false });
  const map = options.map === undefined ? undefined : await loadColumnMap(options.map);
  const reservoir = new CalibrationReservoir(model, { windows, seed });
  for (const file of options.history) {
    const bar = startProgress(err, 'reading');
    await readHistory(file, model, {
      map,
      maxGapMinutes,
      onProgress: bar.update,
      onWindow: (make) => reservoir.offerLazily(make),
    }).finally(bar.stop);
  }
  await writeCalibrationSet(output, reservoir, model);
  const counts = { windows: reservoir.windows, seen: reservoir.seen, seed };
  await out.write(
    options.json
      ? `${JSON.stringify({ folder: output, model: model.name, ...counts }, null, 2)}\n`
      : `${output}: ${counts.windows} of ${counts.seen.toLocaleString('en')} windows, for ${model.name}\n`,
  );
}

function seedArgument(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 0 on.');
  return Number(text);
}
