// Steps of weeks, which begin on the day of the history's first row, and of months, which differ in length: the times that the
// commands print are those of the rows.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { timeAfter } from '../../src/history/index.js';
import { HEADER, TINY, tft } from './tft.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-long-steps-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WEEK = { stepMinutes: 7 * 1440 };
const MONTH = { stepMinutes: 43_830, stepMonths: 1 };

it('the time some steps later or earlier', () => {
  const after = (model: typeof WEEK | typeof MONTH, time: string, steps: number) =>
    new Date(timeAfter(model, Date.parse(time), steps)).toISOString().slice(0, 16);
  expect(after({ stepMinutes: 5 }, '2026-03-31T23:55Z', 2)).toBe('2026-04-01T00:05');
  expect(after(WEEK, '2026-02-23', 2)).toBe('2026-03-09T00:00');
  expect([-2, 0, 1, 2, 13].map((steps) => after(MONTH, '2026-01-01', steps))).toEqual([
    '2025-11-01T00:00',
    '2026-01-01T00:00',
    '2026-02-01T00:00',
    '2026-03-01T00:00',
    '2027-02-01T00:00',
  ]);
});

describe.each([
  // A Monday: 1970 began on a Thursday, so counting weeks from then is three days off.
  {
    name: 'weeks',
    steps: WEEK,
    first: '2026-03-02T00:00Z',
    dayOf: (step: number) => Date.UTC(2026, 2, 2 + 7 * step),
  },
  { name: 'months', steps: MONTH, first: '2020-01-01T00:00Z', dayOf: (step: number) => Date.UTC(2020, step) },
])('steps of $name', ({ name, steps, first, dayOf }) => {
  const model = join(folder, name);
  cpSync(TINY, model, { recursive: true });
  const description = JSON.parse(readFileSync(join(TINY, 'model.json'), 'utf8')) as object;
  writeFileSync(join(model, 'model.json'), JSON.stringify({ ...description, ...steps }));
  const shown = (step: number) => `${new Date(dayOf(step)).toISOString().slice(0, 16)}Z`;
  expect(shown(0)).toBe(first);
  const history = join(folder, `${name}.csv`);
  // The load is high from the tenth step on.
  const cpu = (step: number) => (step < 10 ? 20 : 60);
  const rows = Array.from(
    { length: 20 },
    (_, step) => `${shown(step)},a,web_api,healthy,${cpu(step)},0.5,2\n`,
  );
  writeFileSync(history, HEADER + rows.join(''));

  it('in the forecasts of tft predict', async () => {
    const { stdout, stderr, status } = await tft(['predict', history, '-m', model, '--csv']);
    expect(status, stderr).toBe(0);
    const times = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((text) => text.split(',')[1]);
    expect(times).toEqual([20, 21, 22, 23].map(shown));
  });

  it('in what tft backtest judged', async () => {
    const { stdout, stderr, status } = await tft(['backtest', history, '-m', model, '--json']);
    expect(status, stderr).toBe(0);
    const { from, to } = JSON.parse(stdout) as { from: string; to: string };
    // The model reads six steps.
    expect([from, to]).toEqual([6, 20].map((step) => new Date(dayOf(step)).toISOString()));
  });

  it('in the alerts of tft alerts preview', async () => {
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, 'rules:\n  - {name: full, above: 320, for: 1}\n');
    const args = ['alerts', 'preview', rules, '--history', history, '-m', model];
    const { stdout, stderr, status } = await tft([...args, '--list']);
    expect(status, stderr).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`15 forecasts of 1 servers from ${shown(6)} to ${shown(20)}`);
    const fired = lines.filter((line) => line.startsWith('  '));
    expect(fired).toHaveLength(1);
    const { rules: found } = JSON.parse((await tft([...args, '--json'])).stdout) as {
      rules: { firings: { at: string }[] }[];
    };
    const at = found[0]?.firings[0]?.at as string;
    expect(fired[0]).toContain(`  ${at.slice(0, 16)}Z  `);
    expect(Array.from({ length: 20 }, (_, step) => new Date(dayOf(step)).toISOString())).toContain(at);
  });
});
