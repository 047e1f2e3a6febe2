// The scanners of bodies of rows. Where they read a body, JSON.parse reads it too and finds the same rows.
import { deepStrictEqual } from 'node:assert';
import { HttpError } from '../../../lib/service/http/http-error.js';
import { scanLines, scanRows } from '../../../lib/service/http/json/row-scan.js';

export const name = 'rows';
export const words = [
  '"rows":',
  '[',
  ']',
  '{',
  '}',
  ',',
  ':',
  '"',
  '\\',
  'null',
  '1e5',
  '\n',
  '\n\n\n\n',
  ' ',
];
export const seeds = () =>
  [
    '{"raw":true,"rows":[{"a":1},{"b":"x\\"]"}],"servers":["a"]}',
    '[{"a":[1,{"b":2}]}, 5,null ]',
    '{"a":1}\n\n{"b":[2]}\r\n',
    '\uFEFF{"rows":[]}',
  ].map((text) => Buffer.from(text));

export async function run(bytes) {
  const text = bytes.toString().replace(/^\uFEFF/, '');
  await compare(
    (take) => scanRows(bytes, take, () => {}),
    () => {
      const whole = JSON.parse(text);
      return Array.isArray(whole) ? whole : whole.rows;
    },
    // Of several lists of that name the first is read, and JSON.parse has the last.
    text.split('rows').length <= 2,
  );
  await compare(
    (take) => scanLines(bytes, take, () => {}),
    () =>
      text
        .split('\n')
        .filter((line) => /[^ \r\t]/.test(line))
        .map((line) => JSON.parse(line)),
    true,
  );
}

async function compare(scan, parse, isOne) {
  const rows = [];
  try {
    await scan((row) => rows.push(row));
  } catch (error) {
    if (error instanceof HttpError && error.status < 500) return;
    throw error;
  }
  const expected = parse();
  if (isOne) deepStrictEqual(rows, expected);
}
