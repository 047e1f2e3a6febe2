// `tft verify`: compares a bundle's files with their hashes, and the output of its sample windows, run here, with PyTorch's.
import { dirname } from 'node:path';
import { Argument, Command } from 'commander';
import { locate, type PlanVerdict, type Verdict, verifyBundle, verifyPlan } from '../entries/build.js';
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
  bundle?: string;
  json?: boolean;
}

const EXAMPLES = `
Compares the bundle's files with their hashes, then runs its sample windows on this machine
and compares the result with PyTorch's. The limit is in the bundle, as a share of the
target's standard deviation over the samples (the 'spread'). FP16 and INT8 are judged by
the bundle's goals: which shares of the outputs must be within which part of the spread.

A TensorRT plan (.engine, .plan) is run on the sample windows of --bundle, in each of its
profiles at the smallest, best and largest batch.

Examples:
  $ tft verify models/demo
  $ tft verify model.engine --bundle models/demo
  $ tft verify my-bundle --backend onnxruntime --json

Exit status: 0 within the limit, 1 over it or the bundle is damaged.`;

export function verifyCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('verify')
    .summary("check the forecasts of a bundle's sample windows")
    .description('Checks that a bundle gives here what it gave where it was exported.')
    .addArgument(
      new Argument('[path]', "a bundle's folder, or a plan").default(DEMO_BUNDLE, 'the demo model'),
    )
    .option('--bundle <folder>', 'the bundle of a plan (default: the one in its folder)')
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, options: VerifyOptions) => {
      const isPlan = locate(path).kind === 'plan';
      exit(await (isPlan ? verifyOnePlan(path, options, console) : verify(path, options, console)));
    });
}

async function verify(bundle: string, options: VerifyOptions, console: Console): Promise<number> {
  const { out } = console;
  await using engine = await loadEngine(bundle, options, console);
  const verdict = await verifyBundle(engine, describeEngine(engine.info));
  await out.write(options.json ? `${JSON.stringify(verdict, null, 2)}\n` : describe(verdict, out.paint));
  return verdict.withinLimit ? OK : FAILED;
}

async function verifyOnePlan(plan: string, options: VerifyOptions, { out }: Console): Promise<number> {
  const { bundle = dirname(plan), precision, json } = options;
  const verdict = await verifyPlan(plan, bundle, { precision });
  await out.write(json ? `${JSON.stringify(verdict, null, 2)}\n` : describePlan(verdict, out.paint));
  return verdict.withinLimit ? OK : FAILED;
}

function describePlan({ model, precision, batches, withinLimit }: PlanVerdict, paint: Paint): string {
  const head = ['profile', 'batch', 'max / spread', 'within 1 %', ''];
  const table = plainTable(
    head.map((title) => paint('bold', title)),
    batches.map(({ profile, batch, largest, within, withinLimit }) => [
      String(profile),
      String(batch),
      largest.toExponential(2),
      `${Number((100 * within).toFixed(3))} %`,
      withinLimit ? paint('green', 'right') : paint('red', 'WRONG'),
    ]),
    head.map((title) => (title === '' ? 'left' : 'right')),
  );
  const result = withinLimit ? paint('green', 'within the limit') : paint('red', 'OVER THE LIMIT');
  return [...table, '', `${result}: sample windows of '${model}' in ${precision}`, ''].join('\n');
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
  const percent = (share: number) => `${Number((100 * share).toFixed(3))} %`;
  const judged =
    verdict.shares.length > 0
      ? verdict.shares
          .map(
            ({ within, spread, share, goal }) =>
              `, ${percent(share)} within ${percent(within)} of ${Number(spread.toPrecision(4))} (goal ${percent(goal)})`,
          )
          .join('')
      : `, limit ${write(limit)} (${verdict.tolerance} of the spread, ${Number(spread.toPrecision(4))})`;
  const lines = [
    `${paint('bold', verdict.model)}: ${windows} sample windows on ${verdict.engine}`,
    '',
    ...table,
    '',
    `largest difference ${write(verdict.maximum)}${judged}: ${result}`,
  ];
  if (monthTurn.windows > 0) {
    lines.push(
      `${monthTurn.windows} more window${monthTurn.windows === 1 ? ' crosses' : 's cross'} the turn of a month, ` +
        `which the model cannot see: largest difference ${write(monthTurn.maximum)}, not judged`,
    );
  }
  return `${lines.join('\n')}\n`;
}
