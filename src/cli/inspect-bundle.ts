// The text of `tft inspect` for a bundle: its tensors, files, operators, variants and their accuracy, and how good its
// forecasts were.

import type { BundleReport } from '../entries/build.js';
import type { BundleFile, ModelDescription } from '../index.js';
import { type Paint, printable } from './console.js';
import { formatBytes } from './present/bytes.js';
import { plainTable } from './present/plain-table.js';

export function describeBundle(
  { model, onnx, evaluation }: BundleReport,
  verbose: boolean,
  paint: Paint,
): string {
  const table = (head: readonly string[], rows: readonly (readonly string[])[], right = 1) =>
    plainTable(
      head.map((title) => paint('bold', title)),
      rows,
      head.map((_, column) => (column >= right ? 'right' : 'left')),
    );
  const tensors = [...model.inputs, ...model.outputs].map(({ name, type, shape }) => [
    name,
    type,
    shape.join(' x '),
  ]);
  const operators = Object.entries(onnx.operators).map(([name, count]) => `${count} ${name}`);
  const weights = Object.entries(onnx.weights).map(
    ([type, count]) => `${count.toLocaleString('en')} ${type}`,
  );
  const lines = [
    `${paint('bold', model.name)}: ${model.description ?? 'no description'}`,
    `${model.directory}`,
    '',
    ...table(['tensor', 'type', 'shape'], tensors, 3),
    '',
    ...table(['file', 'precision', 'size'], filesOf(model), 2),
    '',
    `${onnx.nodes} operators (${[`opset ${onnx.opset}`, onnx.producer].filter(Boolean).join(', ')}): ${operators.join(', ')}`,
    `weights: ${weights.join(', ')}`,
  ];
  for (const [precision, variant] of Object.entries(model.variants ?? {})) {
    if (!variant) continue;
    const kept = variant.kept ?? [];
    const nodes = kept.reduce((sum, part) => sum + part.nodes, 0);
    const wider =
      kept.length === 0
        ? 'nothing is kept wider'
        : `kept wider: ${nodes} nodes in ${kept.length} part${kept.length === 1 ? '' : 's'}${verbose ? '' : ', which --verbose lists'}`;
    lines.push('', `${paint('bold', precision)}${variant.lstm ? `, LSTM in ${variant.lstm}` : ''}; ${wider}`);
    for (const part of verbose ? kept : [])
      lines.push(`  ${part.part} in ${part.precision} (${part.nodes} nodes): ${part.why}`);
  }
  const { accuracy } = model;
  if (accuracy) {
    const percent = (value: number | undefined, decimals: number) =>
      value === undefined ? '' : `${(value * 100).toFixed(decimals)} %`;
    const rows = accuracy.rows.map((row) => [
      row.precision,
      percent(row.within1, 2),
      percent(row.within05, 2),
      row.largest === undefined ? '' : String(Number(row.largest.toPrecision(3))),
      row.pinball === undefined ? '' : row.pinball.toFixed(4),
      percent(row.pinballChange, 3),
      percent(row.coverage80, 1),
      percent(row.crossed, 2),
    ]);
    const head = [
      'accuracy',
      'within 1 %',
      'within 0.5 %',
      'largest',
      'pinball',
      'change',
      'coverage',
      'crossed',
    ];
    const emulated = accuracy.emulated === true ? ', emulated on a CPU' : '';
    lines.push('', ...table(head, rows), `(against PyTorch's${emulated})`);
  }
  for (const set of evaluation?.sets ?? []) {
    const rows = set.forecasts.map(({ name, pinball, gain, interval, coverage80 }) => [
      printable(name),
      pinball.toFixed(3),
      inPercent(gain),
      interval === null ? '' : `${inPercent(interval[0])} to ${inPercent(interval[1])}`,
      inPercent(coverage80),
    ]);
    const head = ['forecast', 'pinball', 'under best naive', '95 % interval', '80 % band holds'];
    lines.push(
      '',
      `${paint('bold', printable(set.name))}: ${set.windows} windows, better than '${printable(set.bestNaive)}' on ${set.won} of ${set.machines} machines`,
      ...table(head, rows),
    );
  }
  return `${lines.join('\n')}\n`;
}

function inPercent(share: number | null): string {
  return share === null ? '' : `${(share * 100).toFixed(1)} %`;
}

function filesOf(model: ModelDescription): string[][] {
  const row = (file: BundleFile | undefined, precision: string) =>
    file ? [[file.path, precision, formatBytes(file.bytes)]] : [];
  return [
    ...row(model.files.onnx, 'fp32'),
    ...Object.entries(model.variants ?? {}).flatMap(([precision, variant]) => row(variant?.file, precision)),
    ...row(model.explanation?.onnx, 'fp32, explains'),
    ...[model.files.checkpoint, model.files.torchscript, model.files.history].flatMap((file) =>
      row(file, ''),
    ),
  ];
}
