// The history format by the cases that the exporter's reader passes too (python/tests/test_history_cases.py).
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { type ReadHistoryOptions, readHistory } from '../../src/history/index.js';

interface Case {
  readonly name: string;
  readonly csv: string;
  readonly options?: ReadHistoryOptions;
  readonly error?: boolean;
  readonly servers?: Record<string, { first: string; metrics: number[][]; status: string[] }>;
}

const { cases, category, metrics, ...sizes } = JSON.parse(
  readFileSync(new URL('../fixtures/history-cases.json', import.meta.url), 'utf8'),
) as {
  stepMinutes: number;
  encoderLength: number;
  maxGapMinutes: number;
  metrics: string[];
  category: { name: string; values: string[] };
  cases: Case[];
};
const codes = Object.fromEntries(['unknown', ...category.values].map((value, code) => [value, code]));
const model = {
  stepMinutes: sizes.stepMinutes,
  encoderLength: sizes.encoderLength,
  horizon: 1,
  metrics: metrics.map((name) => ({ name, unit: '' })),
  categories: [{ name: category.name, codes, role: 'varying' as const }],
  known: ['hour' as const],
};

test.each(cases)('$name', async ({ csv, options, error, servers = {} }) => {
  const read = async () => {
    const history = await readHistory(Readable.from([Buffer.from(csv)]), model, {
      maxGapMinutes: sizes.maxGapMinutes,
      ...options,
    });
    return history.windows();
  };
  if (error) {
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_TFT_HISTORY/) });
    return;
  }
  const { servers: windows, refused } = await read();
  expect(refused).toEqual([]);
  const found = windows.map(({ server, start, inputs }) => [
    server,
    {
      first: start.getTime() - sizes.encoderLength * sizes.stepMinutes * 60_000,
      metrics: Array.from({ length: sizes.encoderLength }, (_, row) => [
        ...inputs.encoderCont.subarray(row * metrics.length, (row + 1) * metrics.length),
      ]),
      status: [...inputs.encoderCat].map((code) => ['unknown', ...category.values][code]),
    },
  ]);
  const wanted = Object.entries(servers).map(([server, { first, ...rest }]) => [
    server,
    { first: Date.parse(first.replace('Z', ':00Z')), ...rest },
  ]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted));
});
