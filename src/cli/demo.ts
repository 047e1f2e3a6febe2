// `tft demo`: forecasts the sample history of a bundle and shows how fast.
import { join } from 'node:path';
import { Command } from 'commander';
import { readHistory } from '../entries/history.js';
import { type FleetForecast, TFTError } from '../index.js';
import type { Console } from './console.js';
import { loadEngine } from './load-engine.js';
import { addShowOptions, type ShowOptions, show } from './predict.js';
import { describeEngine } from './present/engine-line.js';
import { checkPicturePath } from './present/picture.js';
import { addEngineOptions, type EngineOptions } from './shared-options.js';

interface DemoOptions extends EngineOptions, ShowOptions {}

const EXAMPLES = `
Examples:
  $ tft demo
  $ tft demo --plot fleet.png
  $ tft demo --json | jq '.forecasts[0].values[95]'`;

export function demoCommand(console: Console, exit: (status: number) => void): Command {
  return addEngineOptions(
    addShowOptions(
      new Command('demo')
        .summary('forecast the sample history that ships with the model')
        .description(
          'Forecasts the sample history that ships with the model, and says what ran and how fast.',
        ),
    ),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (options: DemoOptions) => {
      exit(await demo(options, console));
    });
}

async function demo(options: DemoOptions, console: Console): Promise<number> {
  if (options.plot !== undefined) checkPicturePath(options.plot);
  let fleet: FleetForecast;
  let engineLine: string;
  let judged = false;
  {
    await using engine = await loadEngine(options.model, options, console);
    const { model } = engine;
    const sample = model.files.history;
    if (sample === undefined) {
      throw new TFTError(
        'ERR_TFT_MODEL_NOT_FOUND',
        `the bundle ${model.directory} has no sample history; 'tft predict' takes one of yours`,
      );
    }
    const history = await readHistory(join(model.directory, sample.path), model);
    // Run once before timing, because the first run of a model also plans its memory.
    const shown = { simulated: sample.simulated === true, sorted: !options.raw, clipped: !options.raw };
    await engine.forecast(history, shown);
    fleet = await engine.forecast(history, shown);
    engineLine = describeEngine(engine.info);
    judged = model.training?.evaluation !== undefined;
  }
  const status = await show(fleet, options, console);
  const { out, err } = console;
  const screen = options.json || options.csv ? err : out;
  // Charts already end with a blank line.
  const gap = screen === out && !(options.chart ?? out.isTerminal) ? '\n' : '';
  // A demonstration is no promise: the bundle says how accurate the model is on other machines.
  const worth = judged
    ? "How good its forecasts are, and where: 'tft inspect'; on your servers: 'tft backtest'.\n"
    : '';
  await screen.write(`${gap}${worth}${speedOf(fleet)} on ${engineLine}.\n`);
  return status;
}

function speedOf({ forecasts, milliseconds }: FleetForecast): string {
  const each = (milliseconds / forecasts.length).toPrecision(2);
  const perSecond = Math.round((forecasts.length / milliseconds) * 1000).toLocaleString('en');
  return (
    `${forecasts.length} forecasts in ${milliseconds.toFixed(0)} ms: ` +
    `${Number(each)} ms each, ${perSecond} forecasts/s`
  );
}
