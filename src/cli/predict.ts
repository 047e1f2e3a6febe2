// `tft predict`: reads a history file and writes a forecast for each server, as a table, JSON, CSV or a picture.
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import {
  formatTimestamp,
  type HistoryFormat,
  loadColumnMap,
  MISSING_SPELLINGS,
  parseTimestamp,
  readHistory,
  SEPARATORS,
} from '../entries/history.js';
import { type FleetForecast, type ModelDescription, TFTError } from '../index.js';
import type { Console } from './console.js';
import { OK, PARTLY } from './exit-codes.js';
import { loadEngine } from './load-engine.js';
import { explanationTable } from './present/explanation.js';
import { fanCharts } from './present/fan-chart.js';
import { checkPicturePath, writePicture } from './present/picture.js';
import { plotSvg } from './present/plot.js';
import { csvPieces, jsonPieces } from './present/records.js';
import { forecastTable } from './present/table.js';
import { writeRefusals, writeWarnings } from './present/warnings.js';
import { startProgress } from './progress.js';
import {
  addEngineOptions,
  type EngineOptions,
  fromZero,
  serversOption,
  wholeNumber,
} from './shared-options.js';

/** The options for showing forecasts, which `tft demo` has too. */
export interface ShowOptions {
  json?: boolean;
  csv?: boolean;
  explain?: boolean;
  plot?: string;
  panels: number;
  chart?: boolean;
  raw?: boolean;
}

interface PredictOptions extends EngineOptions, ShowOptions {
  map?: string;
  at?: number;
  maxGap: number;
  servers?: string[];
  separator?: HistoryFormat['separator'];
  decimal?: HistoryFormat['decimal'];
  missing?: string[];
  missingRows?: HistoryFormat['missingRows'];
  sparse?: boolean;
  repeatKnown?: boolean;
}

const EXAMPLES = `
The history is CSV, gzipped or not, with the columns timestamp, server_name, optionally
profile and status, and the model's metrics by name. --map takes other columns.

Examples:
  $ tft predict history.csv
  $ tft predict history.csv.gz --servers web-01,web-02 --plot web.png
  $ tft predict trace.csv --map bitbrains --json > forecasts.json
  $ tft predict history.csv --servers web-01 --explain
  $ zcat history.csv.gz | tft predict - --at 2026-01-31T22:05Z --csv

Exit status: 0 all forecast, 1 nothing forecast, 2 some servers refused (named on
standard error, with the reason).`;

export function predictCommand(console: Console, exit: (status: number) => void): Command {
  return addEngineOptions(
    addShowOptions(
      new Command('predict')
        .summary('forecast every server of a history file')
        .description('Forecasts every server of a history file.')
        .argument('<history>', "CSV file, gzipped or not; '-' is standard input"),
    )
      .option('--map <file>', "column map: how columns become the metrics; a file, or 'bitbrains'")
      .addOption(
        new Option(
          '--at <time>',
          "forecast as of this UTC time, using nothing later (default: each server's newest row)",
        ).argParser(timeArgument),
      )
      .addOption(
        new Option('--max-gap <minutes>', 'fill gaps up to this long with the row before')
          .argParser(fromZero('a number of minutes'))
          .default(60),
      )
      .addOption(
        new Option('--separator <text>', "what separates columns: , ; | or 'tab' (default: ,)").argParser(
          separatorArgument,
        ),
      )
      .addOption(new Option('--decimal <mark>', 'how decimals are written: 0.5 or 0,5').choices(['.', ',']))
      .addOption(
        new Option(
          '--missing <spellings>',
          `fields that say that nothing was measured, separated by commas (default: ${MISSING_SPELLINGS.join(',')})`,
        ).argParser((text: string) => text.split(',')),
      )
      .addOption(
        new Option(
          '--missing-rows <what>',
          'rows with a missing value: fill them like gaps, or refuse the file',
        )
          .choices(['fill', 'refuse'])
          .default('fill'),
      )
      .option(
        '--sparse',
        "forecast also servers whose rows come less often than every third of the model's steps",
      )
      .option(
        '--repeat-known',
        'take the last value of categories that are known ahead where the history has no rows for the steps ahead',
      )
      .addOption(serversOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (history: string, options: PredictOptions) => {
      exit(await predict(history, options, console));
    });
}

/** --json, --csv, --plot, --panels, --chart */
export function addShowOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print JSON instead of a table').conflicts('csv'))
    .addOption(new Option('--csv', 'print CSV instead of a table: a line for every server and step'))
    .addOption(
      new Option(
        '--explain',
        'also say what each forecast rests on: variables, and hours of the past',
      ).conflicts('csv'),
    )
    .option('--plot <file>', 'also draw a picture, .svg or .png: a panel for each server')
    .addOption(
      new Option('--panels <n>', 'the largest number of panels in a picture')
        .argParser(wholeNumber)
        .default(60),
    )
    .option('--raw', "the network's own numbers: quantiles may cross, and leave the target's range")
    .option('--chart', 'draw small charts below the table (default: on a terminal)')
    .option('--no-chart', 'draw no charts');
}

async function predict(source: string, options: PredictOptions, console: Console): Promise<number> {
  if (options.plot !== undefined) checkPicturePath(options.plot);
  const map = options.map === undefined ? undefined : await loadColumnMap(options.map);
  const { model: bundle, at, servers } = options;
  let fleet: FleetForecast;
  {
    await using engine = await loadEngine(bundle, options, console);
    const reading = startProgress(console.err, 'reading');
    const history = await readHistory(source === '-' ? process.stdin : source, engine.model, {
      map,
      servers,
      maxGapMinutes: options.maxGap,
      allowSparse: options.sparse,
      repeatKnown: options.repeatKnown,
      separator: options.separator,
      decimal: options.decimal,
      missing: options.missing,
      missingRows: options.missingRows,
      until: at,
      onProgress: reading.update,
    }).finally(reading.stop);
    const forecasting = startProgress(console.err, 'forecasting');
    fleet = await engine
      .forecast(history, {
        at,
        servers,
        sorted: !options.raw,
        clipped: !options.raw,
        simulated: await isSimulated(source, engine.model),
        onProgress: forecasting.update,
      })
      .finally(forecasting.stop);
  }
  return show(fleet, options, console);
}

/** Writes forecasts in the requested form, and warnings and refusals to standard error. @returns the exit status. */
export async function show(
  fleet: FleetForecast,
  options: ShowOptions,
  { out, err }: Console,
): Promise<number> {
  await writeWarnings(fleet.warnings, err);
  await writeRefusals(fleet.refused, err);
  // CSV has no place for this remark.
  if (fleet.simulated && options.csv) await err.write('note: simulated data, these servers do not exist\n');
  if (options.json) for (const piece of jsonPieces(fleet)) await out.write(piece);
  if (fleet.forecasts.length === 0) {
    const servers = fleet.refused.length === 1 ? 'the one server' : `none of ${fleet.refused.length} servers`;
    const reason = fleet.refused.length === 1 ? 'was refused' : 'can be forecast';
    throw new TFTError(fleet.refused[0]?.code ?? 'ERR_TFT_HISTORY_EMPTY', `${servers} ${reason}`);
  }
  if (options.csv) for (const piece of csvPieces(fleet)) await out.write(piece);
  if (!options.json && !options.csv) {
    await out.write(forecastTable(fleet, out.paint));
    if (options.explain) await out.write(`\n${explanationTable(fleet, out.paint)}`);
    if (options.chart ?? out.isTerminal) await out.write(`\n${fanCharts(fleet, out.width, out.paint)}`);
  }
  if (options.plot !== undefined) {
    await writePicture(options.plot, plotSvg(fleet, { maxPanels: options.panels }));
    const left = fleet.forecasts.length - options.panels;
    const note =
      left > 0
        ? ` with the first ${options.panels} of ${fleet.forecasts.length} servers; --panels draws more, --servers chooses which`
        : '';
    await err.write(`wrote ${options.plot}${note}\n`);
  }
  return fleet.refused.length > 0 ? PARTLY : OK;
}

/** Whether a file is the bundle's own sample history and that history is simulated. */
async function isSimulated(source: string, model: ModelDescription): Promise<boolean> {
  const sample = model.files.history;
  if (sample?.simulated !== true || source === '-') return false;
  const [given, own] = await Promise.all(
    [source, join(model.directory, sample.path)].map((path) => realpath(path).catch(() => path)),
  );
  return given === own;
}

function timeArgument(text: string): number {
  const time = parseTimestamp(text.trim());
  if (Number.isNaN(time)) {
    throw new InvalidArgumentError(
      `It must be a time such as ${formatTimestamp(Date.UTC(2026, 0, 31, 22, 5))}.`,
    );
  }
  return time;
}

function separatorArgument(text: string): (typeof SEPARATORS)[number] {
  const separator = SEPARATORS.find((known) => known === (text === 'tab' || text === '\\t' ? '\t' : text));
  if (separator === undefined) throw new InvalidArgumentError("It must be , ; | or 'tab'.");
  return separator;
}
