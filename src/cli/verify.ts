// `tft verify`: a bundle's files against their hashes, and its sample windows, run here, against the output that
// PyTorch gave for them.
import { Argument, Command } from 'commander';
import type { ModelDescription } from '../index.js';
import { bundleFiles, verifyBundleFile } from '../model.js';
import { type BundleSamples, readSamples } from './bundle-samples.js';
import type { Console, Paint } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { loadEngine } from './load-engine.js';
import { describeEngine } from './present/engine-line.js';
import { plainTable } from './present/plain-table.js';
import {
  backendOption,
  DEMO_BUNDLE,
  type EngineOptions,
  precisionOption,
  threadsOption,
} from './shared-options.js';

interface VerifyOptions extends Omit<EngineOptions, 'model'> {
  json?: boolean;
}

/** Differences of one quantile, absolute, over the windows that are judged. */
interface QuantileDifference {
  readonly quantile: number;
  readonly maximum: number;
  readonly mean: number;
}

interface Verdict {
  readonly model: string;
  readonly engine: string;
  readonly windows: number;
  readonly limit: number;
  readonly spread: number;
  readonly tolerance: number;
  readonly quantiles: readonly QuantileDifference[];
  readonly maximum: number;
  readonly withinLimit: boolean;
  /** Compared and told, not judged: the model cannot know the month before. */
  readonly monthTurn: { readonly windows: number; readonly maximum: number };
}

const EXAMPLES = `
Compares the bundle's files with their hashes, then runs its sample windows on this machine
and compares the result with PyTorch's. The limit, a share of the target's standard
deviation over the samples ('spread'), stands in the bundle.

Examples:
  $ tft verify models/demo
  $ tft verify my-bundle --backend onnxruntime --json

Exit status: 0 within the limit, 1 over it or the bundle is damaged.`;

export function verifyCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('verify')
    .summary("check a bundle's sample windows against their expected output")
    .description('Checks that a bundle gives here what it gave where it was exported.')
    .addArgument(new Argument('[bundle]', 'a folder').default(DEMO_BUNDLE, 'the demo model'))
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (bundle: string, options: VerifyOptions) => {
      exit(await verify(bundle, options, console));
    });
}

async function verify(bundle: string, options: VerifyOptions, console: Console): Promise<number> {
  const { out } = console;
  await using engine = await loadEngine(bundle, options, console);
  const { model } = engine;
  for (const file of bundleFiles(model)) await verifyBundleFile(model, file);
  const samples = await readSamples(model);
  const { data } = await engine.predict(samples.inputs);
  const verdict = judge(model, describeEngine(engine.info), samples, data);
  await out.write(options.json ? `${JSON.stringify(verdict, null, 2)}\n` : describe(verdict, out.paint));
  return verdict.withinLimit ? OK : FAILED;
}

function judge(
  model: ModelDescription,
  engine: string,
  { count, expected, spread, tolerance, monthTurn }: BundleSamples,
  found: Float32Array,
): Verdict {
  const width = model.quantiles.length;
  const size = model.horizon * width;
  const maxima = new Float64Array(width);
  const sums = new Float64Array(width);
  let monthTurnMaximum = 0;
  for (let at = 0; at < expected.length; at++) {
    const difference = differenceOf(found[at], expected[at]);
    if (monthTurn.has(Math.floor(at / size))) {
      monthTurnMaximum = Math.max(monthTurnMaximum, difference);
    } else {
      const column = at % width;
      maxima[column] = Math.max(maxima[column] as number, difference);
      sums[column] = (sums[column] as number) + difference;
    }
  }
  const windows = count - monthTurn.size;
  const maximum = Math.max(...maxima);
  const limit = tolerance * spread;
  return {
    model: model.name,
    engine,
    windows,
    limit,
    spread,
    tolerance,
    quantiles: model.quantiles.map((quantile, column) => ({
      quantile,
      maximum: maxima[column] as number,
      mean: (sums[column] as number) / Math.max(1, windows * model.horizon),
    })),
    maximum,
    // A bundle with nothing to judge has shown nothing.
    withinLimit: windows > 0 && maximum <= limit,
    monthTurn: { windows: monthTurn.size, maximum: monthTurnMaximum },
  };
}

/** NaN is as wrong as can be; compared as a number it would pass unseen. */
function differenceOf(found: number | undefined, expected: number | undefined): number {
  const difference = Math.abs((found ?? Number.NaN) - (expected ?? Number.NaN));
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}

function describe(verdict: Verdict, paint: Paint): string {
  const { spread, limit, windows, monthTurn } = verdict;
  const write = (value: number) => value.toExponential(2);
  const head = ['quantile', 'max difference', 'mean difference', 'max / spread'];
  const table = plainTable(
    head.map((title) => paint('bold', title)),
    verdict.quantiles.map(({ quantile, maximum, mean }) => [
      String(quantile),
      write(maximum),
      write(mean),
      write(maximum / spread),
    ]),
    head.map(() => 'right'),
  );
  const result = verdict.withinLimit ? paint('green', 'within the limit') : paint('red', 'OVER THE LIMIT');
  const lines = [
    `${paint('bold', verdict.model)}: ${windows} sample windows on ${verdict.engine}`,
    '',
    ...table,
    '',
    `largest difference ${write(verdict.maximum)}, limit ${write(limit)} ` +
      `(${verdict.tolerance} of the spread, ${Number(spread.toPrecision(4))}): ${result}`,
  ];
  if (monthTurn.windows > 0) {
    lines.push(
      `${monthTurn.windows} more window${monthTurn.windows === 1 ? ' crosses' : 's cross'} the turn of a month, ` +
        `which the model cannot see: largest difference ${write(monthTurn.maximum)}, not judged`,
    );
  }
  return `${lines.join('\n')}\n`;
}
