// Histories. However the bytes are cut on their way, the same is read, or the same is wrong with them.
import { deepStrictEqual } from 'node:assert';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { TFTError } from '../../../lib/contract/errors.js';
import { loadModel } from '../../../lib/contract/model.js';
import { readHistory } from '../../../lib/history/history-file.js';
import { TINY } from './tiny.mjs';

const model = await loadModel(TINY);
const [header, row] = [
  [
    'timestamp',
    'server_name',
    ...model.categories.map(({ name }) => name),
    ...model.metrics.map(({ name }) => name),
  ],
  model.metrics.map((_, index) => `${index}.5`),
];
const first = Object.keys(model.categories[0].codes)[0];
const text = Array.from({ length: 12 }, (_, at) => {
  const time = new Date(Date.UTC(2026, 2, 1) + at * model.stepMinutes * 60_000).toISOString();
  return [time, 'web-1', ...model.categories.map(() => first), ...row].join(',');
});
const whole = [header.join(','), ...text, ''].join('\n');

export const name = 'csv';
export const words = [
  ',',
  ';',
  '\t',
  '"',
  '""',
  '\r\n',
  '\n',
  '\r',
  'NaN',
  'null',
  'NA',
  '1772323200',
  '1772323200000',
  '2026-03-01',
  '2026-03-01 00:00:00 UTC',
  '+02:00',
  '9999-12-31T23:59Z',
  ...header,
];
export const seeds = () => [
  Buffer.from(whole),
  Buffer.from(`\uFEFF${whole.replaceAll('\n', '\r\n')}`),
  Buffer.from(whole.replaceAll('web-1', '"web, 1"')),
  Buffer.from(whole.replaceAll(',', ';')),
  gzipSync(whole),
];

export async function run(bytes) {
  const outcomes = [];
  for (const size of [bytes.length, 7]) outcomes.push(await outcomeOf(bytes, size));
  deepStrictEqual(outcomes[1], outcomes[0]);
}

async function outcomeOf(bytes, size) {
  const pieces = [];
  for (let from = 0; from < bytes.length; from += size) pieces.push(bytes.subarray(from, from + size));
  const separator = bytes.includes(';') && !bytes.includes(',') ? ';' : ',';
  try {
    const history = await readHistory(Readable.from(pieces, { objectMode: false }), model, { separator });
    const { inputs, ...about } = history.windows();
    return { about, inputs: inputs && Object.values(inputs).map((values) => values.length) };
  } catch (error) {
    if (!(error instanceof TFTError)) throw error;
    return { code: error.code, message: error.message };
  }
}
