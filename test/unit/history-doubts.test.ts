// Oddities of a history give a warning or are refused, never ignored: each of these made a forecast that was far off.
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { parseColumnMap, type ReadHistoryOptions, readHistory } from '../../src/history/index.js';

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 0, 5, 10);
const model = {
  stepMinutes: 60,
  encoderLength: 6,
  horizon: 3,
  target: 'cpu',
  metrics: [
    { name: 'cpu', unit: '%', minimum: 0, maximum: 100 },
    { name: 'load', unit: '' },
  ],
  categories: [{ name: 'status', codes: { unknown: 0, busy: 1, idle: 2 }, role: 'varying' as const }],
  known: ['hour' as const],
};
type Model = Omit<typeof model, 'categories'> & {
  categories: { name: string; codes: Record<string, number>; role: 'varying' | 'known' | 'static' }[];
};
const ahead: Model = {
  ...model,
  categories: [{ name: 'shift', codes: { unknown: 0, day: 1, night: 2 }, role: 'known' }],
};

const HEADER = 'timestamp,server_name,status,cpu,load\n';
const row = (step: number, cpu: number | string, status = 'busy', load: number | string = 1) =>
  `${new Date(T0 + step * HOUR).toISOString()},a,${status},${cpu},${load}\n`;
const rows = (...cpus: (number | string)[]) => cpus.map((cpu, step) => row(step, cpu)).join('');

async function windows(csv: string, options: ReadHistoryOptions = {}, of: Model = model) {
  return (await readHistory(Readable.from([Buffer.from(csv)]), of, options)).windows();
}
const kinds = ({ warnings }: { warnings: readonly { kind: string }[] }) => warnings.map(({ kind }) => kind);

test('a plain history has nothing odd', async () => {
  expect(kinds(await windows(HEADER + rows(10, 20, 30, 40, 50, 60)))).toEqual([]);
});

test('a category without a column', async () => {
  const csv = (HEADER + rows(10, 20, 30, 40, 50, 60)).replaceAll(',busy', '').replace(',status', '');
  const { warnings, servers } = await windows(csv);
  expect(servers).toHaveLength(1);
  expect(warnings).toMatchObject([
    { kind: 'category', message: expect.stringContaining("no column 'status'") },
  ]);
});

test('a percentage that is a share', async () => {
  expect(kinds(await windows(HEADER + rows(0.1, 0.2, 0.3, 0.4, 0.5, 1)))).toEqual(['scale']);
  expect(kinds(await windows(HEADER + rows(0.1, 0.2, 0.3, 0.4, 0.5, 1.1)))).toEqual([]);
});

test('a target that does not change', async () => {
  const { warnings } = await windows(HEADER + rows(7, 7, 7, 7, 7, 7));
  expect(warnings).toMatchObject([
    { kind: 'constant', server: 'a', message: expect.stringContaining('cpu is 7 in the whole window') },
  ]);
});

test("values that the map's clip changed", async () => {
  const map = parseColumnMap({ schemaVersion: 1, metrics: { cpu: { column: 'cpu', clip: [0, 40] } } });
  const { warnings } = await windows(HEADER + rows(10, 20, 30, 40, 50, 60), { map });
  expect(warnings).toMatchObject([{ kind: 'clipped', count: 2 }]);
});

test('a category that changes at every step is not repeated without a word', async () => {
  const csv =
    HEADER + [0, 1, 2, 3, 4, 5].map((step) => row(step, step * 10, step % 2 ? 'busy' : 'idle')).join('');
  expect((await windows(csv)).warnings).toMatchObject([
    { kind: 'category', message: expect.stringContaining('status changes from step to step') },
  ]);
});

test('rows less often than every third step are refused unless asked for', async () => {
  const long = { ...model, encoderLength: 12 };
  const csv = HEADER + [0, 4, 8, 12].map((step) => row(step, step)).join('');
  const options = { maxGapMinutes: 240 };
  const { refused } = await windows(csv, options, long);
  expect(refused).toMatchObject([
    { code: 'ERR_TFT_HISTORY_SHORT', message: expect.stringContaining('a row for 3 of 12 steps') },
  ]);
  expect((await windows(csv, { ...options, allowSparse: true }, long)).servers).toHaveLength(1);
});

test('a row far ahead of the clock is named with its line', async () => {
  const year = new Date().getUTCFullYear() + 37;
  const csv = `${HEADER}${rows(10, 20, 30, 40, 50, 60)}${year}-12-31T00:00Z,a,busy,1,1\n`;
  const { refused } = await windows(csv);
  expect(refused[0]?.message).toMatch(
    /newest row \(line 8\) has the time \d{4}-12-31T00:00Z, 3[78] years ahead/,
  );
  expect((await windows(csv, { until: T0 + 5 * HOUR })).servers).toHaveLength(1);
});

describe('a category that is known ahead', () => {
  const header = HEADER.replace('status', 'shift');
  const past = [0, 1, 2, 3, 4, 5].map((step) => row(step, step * 10, 'day')).join('');
  const future = row(6, '', 'night', '') + row(7, '', 'night', '') + row(8, '', 'day', '');

  test('is read from the rows of the steps ahead', async () => {
    const { servers, refused, warnings } = await windows(header + past + future, {}, ahead);
    expect(refused).toEqual([]);
    expect([...(servers[0]?.inputs.decoderCat ?? [])]).toEqual([2, 2, 1]);
    expect(servers[0]?.start.getTime()).toBe(T0 + 6 * HOUR);
    expect(warnings).toEqual([]);
  });

  test('is refused where those are missing, unless the last value may be repeated', async () => {
    const { refused } = await windows(header + past + row(6, '', 'night', ''), {}, ahead);
    expect(refused).toMatchObject([
      {
        code: 'ERR_TFT_HISTORY_SHORT',
        message: expect.stringMatching(/shift must be known .* 2 of them have no row/),
      },
    ]);
    const repeated = await windows(header + past, { repeatKnown: true }, ahead);
    expect([...(repeated.servers[0]?.inputs.decoderCat ?? [])]).toEqual([1, 1, 1]);
  });

  test('is read from what was recorded later, for a forecast as of then', async () => {
    const later = row(6, 5, 'night') + row(7, 6, 'night') + row(8, 7, 'night');
    const { servers } = await windows(header + past + later, { until: T0 + 5 * HOUR }, ahead);
    expect([...(servers[0]?.inputs.decoderCat ?? [])]).toEqual([2, 2, 2]);
  });
});
