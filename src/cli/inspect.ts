// `tft inspect`: shows what an engine or a bundle consists of.
import { basename } from 'node:path';
import { Command } from 'commander';
import {
  countLayers,
  type EngineRecord,
  type EngineReport,
  inspectBundle,
  inspectEngine,
  locate,
  readPlanRecord,
} from '../entries/build.js';
import { TFTError } from '../index.js';
import { type Console, type Paint, printable } from './console.js';
import { OK } from './exit-codes.js';
import { describeBundle } from './inspect-bundle.js';
import { formatBytes } from './present/bytes.js';
import { describeCheck } from './present/check.js';
import { plainTable } from './present/plain-table.js';

interface InspectOptions {
  json?: boolean;
  verbose?: boolean;
  allowHostCode?: boolean;
}

const MAX_NAME_LENGTH = 60;

const EXAMPLES = `
An engine is opened with the TensorRT on this machine, so it must be one for this GPU. Of one that
was built for other GPUs (tft build --target), the record is shown.

Examples:
  $ tft inspect demo
  $ tft inspect models/demo/model.fp16.engine
  $ tft inspect model.engine --json | jq '.layers[] | select(.precision == "fp32")'`;

export function inspectCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('inspect')
    .summary('show the layers of an engine, or what is in a bundle')
    .description('Shows layers, precisions, shapes and memory of an engine, or what is in a bundle.')
    .argument('<path>', 'an engine (.engine, .plan), a bundle or an ONNX file of one')
    .option('--allow-host-code', 'open an engine that contains code for the host: only one that you trust')
    .option('--verbose', 'also all layers; of a bundle the parts in a wider precision')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, options: InspectOptions) => {
      const show = locate(path).kind === 'plan' ? inspectPlanFile : inspectModel;
      await show(path, options, console);
      exit(OK);
    });
}

async function inspectModel(
  path: string,
  { json, verbose = false }: InspectOptions,
  { out }: Console,
): Promise<void> {
  const report = await inspectBundle(path);
  await out.write(json ? `${JSON.stringify(report, null, 2)}\n` : describeBundle(report, verbose, out.paint));
}

async function inspectPlanFile(path: string, options: InspectOptions, { out }: Console): Promise<void> {
  const opened = await openOrRecord(path, options);
  if ('unopened' in opened) {
    const { record, unopened } = opened;
    await out.write(
      options.json
        ? `${JSON.stringify({ path, record, problem: { code: unopened.code, message: unopened.message } }, null, 2)}\n`
        : describeRecord(path, record, unopened, out.paint),
    );
    return;
  }
  const { inspector, ...report } = opened;
  if (options.json) {
    await out.write(`${JSON.stringify({ path, ...report, inspector: parsed(inspector) }, null, 2)}\n`);
    return;
  }
  await out.write(describeEngine(path, report, options.verbose ?? false, out.paint));
}

/** The engine's report; of one for GPUs that are not here, its record, and why it cannot be opened. */
async function openOrRecord(
  path: string,
  { allowHostCode }: InspectOptions,
): Promise<EngineReport | { record: EngineRecord; unopened: TFTError }> {
  try {
    return await inspectEngine(path, { allowHostCode });
  } catch (error) {
    if (!(error instanceof TFTError)) throw error;
    const record = await readPlanRecord(path);
    if (!record?.key.rtx?.targets.length) throw error;
    return { record, unopened: error };
  }
}

function describeRecord(path: string, record: EngineRecord, unopened: TFTError, paint: Paint): string {
  const { key, plan, network = {}, tensors = [] } = record;
  const facts: [string, string][] = [
    ['TensorRT', `for RTX ${key.tensorrt}`],
    ['for', `${key.gpu} (compute capability ${key.computeCapability})`],
    ['plan', formatBytes(plan.bytes)],
    ['batches', key.profiles.map(({ min, opt, max }) => `${min} to ${max}, tuned for ${opt}`).join('; ')],
    ...recordFacts(record),
    [
      'layers',
      `parsed: ${Object.entries(network)
        .map(([type, count]) => `${count} ${type}`)
        .join(', ')}`,
    ],
    ['not opened', `${unopened.message} (${unopened.code})`],
  ];
  return [
    paint('bold', basename(path)),
    ...factLines(facts),
    ...(tensors.length > 0 ? ['', ...tensorTable(tensors, paint)] : []),
    '',
  ].join('\n');
}

function recordFacts(record: EngineRecord): [string, string][] {
  const { key, created, buildSeconds, onnxName, model } = record;
  return [
    ['precision', `${key.precision}${key.stronglyTyped ? '' : ' where TensorRT chose it'}`],
    ['built from', `${onnxName} of '${model}', SHA-256 ${key.onnx.slice(0, 12)}…`],
    ['checked', describeCheck(record.check)],
    ['built', `${created.slice(0, 16).replace('T', ' ')} in ${buildSeconds.toFixed(1)} s for ${key.gpu}`],
  ];
}

function factLines(facts: readonly [string, string][]): string[] {
  return facts.map(([name, value]) => `  ${name.padEnd(13)}${value}`);
}

function describeEngine(
  path: string,
  report: Omit<EngineReport, 'inspector'>,
  verbose: boolean,
  paint: Paint,
): string {
  const { tensorrtVersion, tensors, profiles, planBytes, weightsBytes, activationBytes, record, layers } =
    report;
  const facts: [string, string][] = [
    ['TensorRT', tensorrtVersion],
    ['plan', formatBytes(planBytes)],
    ['weights', formatBytes(weightsBytes)],
    ['activations', `${formatBytes(activationBytes)} for each lane`],
    ['batches', profiles.map(({ min, opt, max }) => `${min} to ${max}, tuned for ${opt}`).join('; ')],
  ];
  if (record) facts.push(...recordFacts(record));
  const counts = (by: 'type' | 'precision') =>
    countLayers(layers, by)
      .map(([name, count]) => `${count} ${printable(name)}`)
      .join(', ');
  if (layers.length > 0)
    facts.push(['layers', `${layers.length}: ${counts('type')}`], ['outputs in', counts('precision')]);
  const rows = (verbose ? layers : []).map(({ name, type, precision, shape }) => [
    shortened(printable(name)),
    printable(type),
    precision,
    shape,
  ]);
  return [
    paint('bold', basename(path)),
    ...factLines(facts),
    '',
    ...tensorTable(tensors, paint),
    ...(layers.length > 0 && !verbose ? ['', paint('dim', '--verbose lists the layers')] : []),
    ...(rows.length > 0 ? ['', ...tableOf(['layer', 'kind', 'output', 'shape'], rows, paint)] : []),
    '',
  ].join('\n');
}

function tensorTable(tensors: EngineReport['tensors'], paint: Paint): string[] {
  const rows = tensors.map(({ name, input, type, shape }) => [
    printable(name),
    input ? 'input' : 'output',
    type,
    shape.map((size) => (size < 0 ? 'batch' : size)).join(' x '),
  ]);
  return tableOf(['tensor', '', 'type', 'shape'], rows, paint);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  return plainTable(
    head.map((title) => paint('bold', title)),
    rows,
    head.map(() => 'left'),
  );
}

function shortened(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH - 1)}…` : name;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TFTError('ERR_TFT_PLAN_INVALID', "the inspector's answer is not JSON", { cause });
  }
}
