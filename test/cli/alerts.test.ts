// `tft alerts` as a user meets it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AlertsPreview } from '../../src/entries/judging.js';
import { HEADER, line, TINY, tft } from './tft.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-alerts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/**
 * The median of `tiny` is, with these rows, 6 times the mean CPU of the last six steps, plus 120, plus half the hour: with a CPU
 * of 20 it is under 252, and three steps of 40 among them bring it over 300.
 */
function history(): string {
  let text = HEADER;
  for (let step = 0; step < 96; step++) {
    // Announced by three steps of 40, and coming; announced and not coming; not announced and coming.
    const a = step >= 40 && step < 45 ? 40 : step >= 45 && step < 50 ? 350 : 20;
    const b = step >= 60 && step < 70 ? 40 : 20;
    const c = step === 80 ? 350 : 20;
    text += line('a', step, a) + line('b', step, b) + line('c', step, c);
  }
  return text;
}

const RULES = 'rules:\n  - {name: full, above: 300, within: 1h, for: 1, recover: 280}\n';

it('preview says how often rules would have fired, how often rightly, how far ahead, and what they missed', async () => {
  const args = [
    'alerts',
    'preview',
    file('rules.yaml', RULES),
    '--history',
    file('history.csv', history()),
    '-m',
    TINY,
  ];
  const { status, stdout, stderr } = await tft([...args, '--list']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const lines = stdout.split('\n');
  expect(lines[0]).toBe('273 forecasts of 3 servers from 2026-01-07T09:30Z to 2026-01-08T08:00Z');
  expect(lines[2]).toBe(
    'full (warning, 300): would have fired 3 times, 2 rightly, 15 minutes ahead at the median; 1 false alarms, 2.5 per ' +
      'server-week; 1 of 2 crossings came without it',
  );
  expect(lines.slice(3, 6).map((text) => text.trim().split(/ {2}/).slice(0, 2))).toEqual([
    ['2026-01-07T18:45Z', 'right, 30 min ahead'],
    ['2026-01-07T23:45Z', 'false'],
    ['2026-01-08T04:15Z', 'right, 0 min ahead'],
  ]);
});

it('preview prints JSON', async () => {
  const rules = file('rules.json', '{"rules": [{"name": "full", "above": 300, "within": "1h", "for": 1}]}');
  const { stdout } = await tft([
    'alerts',
    'preview',
    rules,
    '--history',
    file('h.csv', history()),
    '-m',
    TINY,
    '--json',
  ]);
  const { rules: found } = JSON.parse(stdout) as AlertsPreview;
  expect(found[0]).toMatchObject({
    rule: 'full',
    right: 2,
    falseAlarms: 1,
    episodes: 2,
    missed: 1,
    minutesAhead: 15,
  });
});

it('check says what each rule will do and which receivers get alerts', async () => {
  const rules = file('notify.yaml', `${RULES}notify:\n  alertmanager: [{url: 'http://am:9093'}]\n`);
  const { status, stdout } = await tft(['alerts', 'check', rules, '-m', TINY]);
  expect(status).toBe(0);
  expect(stdout).toBe(
    'full (warning): quantile 0.5 of cpu_user_pct over 300 within 4 steps in 1 forecasts in a row; ends when back at 280\n' +
      'sends to http://am:9093\n',
  );
});

it('check refuses a rule that cannot work, with its name', async () => {
  const rules = file('wrong.yaml', 'rules:\n  - {name: full, above: 90, within: 4d}\n');
  const { status, stderr } = await tft(['alerts', 'check', rules, '-m', TINY]);
  expect(status).toBe(1);
  expect(stderr).toBe(
    "tft: rule 'full': within must be from 15m to 1h, as far as the model forecasts (ERR_TFT_RULES_INVALID)\n",
  );
});
