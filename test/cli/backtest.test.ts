// `tft backtest` as a user meets it, and its figures against test/fixtures/judging/backtest.py, which shares no code with it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backtest } from '../../src/entries/judging.js';
import { HEADER, lines, STEP, T0, TINY, tft } from './tft.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const python = execFileSync(join(root, 'scripts/python-environment'), { encoding: 'utf8' }).trim();
const hasPython = existsSync(join(python, 'bin/python'));

let folder: string;
let history: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-backtest-'));
  history = join(folder, 'history.csv');
  writeFileSync(history, fiveDays());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Four servers of different spread, with rows missing here and there and one long gap. */
function fiveDays(): string {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 48_271) >>> 0) % 0x7fffffff;
    return state / 0x7fffffff;
  };
  let text = HEADER;
  for (let step = 0; step < 500; step++) {
    for (const [index, server] of ['a', 'b', 'c', 'd'].entries()) {
      if (random() < 0.05 || (server === 'b' && step > 200 && step < 220)) continue;
      const level = (20 + 10 * index) * (1 + Math.sin((step / 96) * 2 * Math.PI) / 2);
      const cpu = Math.max(0, level + (random() - 0.5) * ([0.1, 8, 20, 30][index] as number));
      const time = `${new Date(T0 + step * STEP).toISOString().slice(0, 16)}Z`;
      text += `${time},${server},web_api,healthy,${cpu.toFixed(2)},${random().toFixed(2)},1\n`;
    }
  }
  return text;
}

const judge = async (...args: string[]) => {
  const { status, stdout, stderr } = await tft([
    'backtest',
    history,
    '-m',
    TINY,
    '--every',
    '30',
    '--json',
    ...args,
  ]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Backtest;
};

it.skipIf(!hasPython)(
  `gives the figures of an independent computation${hasPython ? '' : ' (skipped: no Python environment)'}`,
  async () => {
    const found = await judge();
    const script = join(root, 'test/fixtures/judging/backtest.py');
    const expected: unknown = JSON.parse(
      execFileSync(join(python, 'bin/python'), [script, TINY, history, '30'], { encoding: 'utf8' }),
    );
    let figures = 0;
    const compare = (a: unknown, b: unknown, path: string) => {
      if (typeof b === 'number') {
        figures++;
        expect(Math.abs((a as number) - b), `${path}: ${a}, not ${b}`).toBeLessThan(1e-6 * (1 + Math.abs(b)));
      } else if (typeof b === 'object' && b !== null) {
        for (const [key, value] of Object.entries(b))
          compare((a as Record<string, unknown>)[key], value, `${path}.${key}`);
      } else {
        expect(a, path).toEqual(b);
      }
    };
    compare(found, expected, '');
    expect(figures).toBeGreaterThan(150);
  },
);

it('says per server what to use, and for whom the model loses', async () => {
  const { stdout } = await tft(['backtest', history, '-m', TINY, '--every', '60']);
  expect(stdout).toContain('The model is worse than the best naive forecast; it is ahead on 0 of 4 servers.');
  expect(stdout).toMatch(/^a +\d+ .*naive: same time yesterday/m);
  expect(stdout).toContain('By their own past 0 of 4 servers should use the model, 4 a naive forecast.');
});

it('draws the gain of every forecast, horizon and regime, and refuses another kind of file at once', async () => {
  const plot = join(folder, 'gains.svg');
  const { stderr } = await tft(['backtest', history, '-m', TINY, '--every', '60', '--plot', plot]);
  expect(stderr).toContain(`wrote ${plot}`);
  const svg = readFileSync(plot, 'utf8');
  for (const label of ['same time yesterday', 'by horizon', 'by regime', 'best naive'])
    expect(svg).toContain(label);
  const { stdout } = await tft(['backtest', history, '-m', TINY, '--every', '60', '--json']);
  const { forecasts, horizons, regimes } = JSON.parse(stdout);
  const judged = [...forecasts, ...[...horizons, ...regimes].map((slice) => slice.forecasts[0])];
  expect(svg.match(/<circle/g)).toHaveLength(judged.filter(({ gain }) => gain !== null).length);
  expect((await tft(['backtest', history, '-m', TINY, '--plot', 'gains.pdf'])).status).toBe(1);
});

it('refuses rows that are not in the order of time, and says what to do', async () => {
  const path = join(folder, 'unsorted.csv');
  writeFileSync(path, HEADER + lines('a', 10, 20) + lines('a', 0, 9));
  const { status, stderr } = await tft(['backtest', path, '-m', TINY]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /a has a row of 2026-01-07T08:00Z after one of .*sort the file.*\(ERR_TFT_HISTORY_ORDER\)/,
  );
});

it('refuses a history without a whole window, and says how much is needed', async () => {
  const path = join(folder, 'short.csv');
  writeFileSync(path, HEADER + lines('a', 0, 8));
  const { status, stderr } = await tft(['backtest', path, '-m', TINY, '--every', '15']);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /no window with a whole horizon after it; a history of 2\.5 h .*\(ERR_TFT_HISTORY_SHORT\)/,
  );
});
