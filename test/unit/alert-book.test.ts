// Alerts as forecasts come: pending, firing, resolved; hysteresis; the time of the crossing with its interval, in words.
import { describe, expect, it } from 'vitest';
import { AlertBook } from '../../src/fleet/alerts/book.js';
import { NOW, outlook, rules, STEP_MS, shape } from '../fixtures/alerts.js';

/** Feeds one forecast a step; gives the state after each. */
function states(text: string, medians: readonly (number | readonly number[])[], options = {}): string[] {
  const book = new AlertBook(rules(text), shape);
  return medians.map((median, step) => {
    book.update(outlook([median].flat(), { ...options, at: NOW + step * STEP_MS }));
    return book
      .active()
      .map(({ severity, state }) => `${severity} ${state}`)
      .join(', ');
  });
}

const RULE = 'rules: [{name: full, above: 90';

describe('an alert', () => {
  it('is pending until `for` consecutive forecasts cross, and starts again when one does not', () => {
    expect(states(`${RULE}, for: 3}]`, [95, 95, 80, 95, 95, 95])).toEqual([
      'warning pending',
      'warning pending',
      '',
      'warning pending',
      'warning pending',
      'warning firing',
    ]);
  });

  it('goes on between the threshold and the recovery threshold, and ends after as many forecasts back', () => {
    expect(states(`${RULE}, for: 2, recover: 80}]`, [95, 95, 85, 75, 85, 75, 75])).toEqual([
      'warning pending',
      'warning firing',
      'warning firing',
      'warning firing',
      'warning firing',
      'warning firing',
      '',
    ]);
  });

  it('counts only crossings that last long enough, within the hours that count', () => {
    const burst = [50, 95, 95, 50];
    expect(states(`${RULE}, for: 1, lasting: 10m}]`, [burst])).toEqual(['warning firing']);
    expect(states(`${RULE}, for: 1, lasting: 15m}]`, [burst])).toEqual(['']);
    expect(states(`${RULE}, for: 1, ignore: [{from: '14:05', to: '14:15'}]}]`, [burst])).toEqual(['']);
    expect(states(`${RULE}, for: 1, ignore: [{from: '14:05', to: '14:10'}]}]`, [burst])).toEqual([
      'warning firing',
    ]);
    expect(states(`${RULE}, for: 1, within: 5m}]`, [burst])).toEqual(['']);
  });

  it('warns from below as well', () => {
    expect(states('rules: [{name: idle, below: 10, for: 1, recover: 20}]', [12, 8, 15, 25])).toEqual([
      '',
      'warning firing',
      'warning firing',
      '',
    ]);
  });

  it('is the critical one alone when both thresholds are crossed', () => {
    expect(states(`${RULE}, warning: 75, for: 1}]`, [80, 95, 80])).toEqual([
      'warning firing',
      'critical firing',
      'warning firing',
    ]);
  });

  it('says between when and when, and which quantile said so', () => {
    const book = new AlertBook(rules(`${RULE}, for: 1}]`), shape);
    // q90 is over 90 from the third step, the median from the fifth, q10 from the eighth.
    book.update(outlook([80, 82, 86, 88, 91, 92, 94, 96]));
    const [alert] = book.active();
    expect(alert?.text).toBe(
      'web-01: cpu_user_pct over 90 % between 14:10 and 14:35, most likely at 14:20 (UTC; the median within 1 h)',
    );
    expect(alert).toMatchObject({
      id: 'full/web-01',
      value: 96,
      threshold: 90,
      crossing: {
        earliest: '2026-01-07T14:10:00.000Z',
        likely: '2026-01-07T14:20:00.000Z',
        latest: '2026-01-07T14:35:00.000Z',
      },
    });
  });

  it('does not promise what only the upper quantile says', () => {
    const book = new AlertBook(rules('rules: [{name: full, above: 90, quantile: 0.9, for: 1}]'), shape);
    book.update(outlook([80, 87]));
    expect(book.active()[0]?.text).toBe(
      'web-01: cpu_user_pct over 90 % possible from 14:05 on (UTC; quantile 0.9 within 1 h)',
    );
  });

  it('reports each change once', () => {
    const book = new AlertBook(rules(`${RULE}, for: 2}]`), shape);
    const reported: string[] = [];
    book.onChange(({ state, server }) => reported.push(`${server} ${state}`));
    for (const [step, median] of [95, 95, 95, 50, 50, 50].entries()) {
      book.update(outlook([median], { at: NOW + step * STEP_MS }));
    }
    expect(reported).toEqual(['web-01 pending', 'web-01 firing', 'web-01 resolved']);
    expect(book.recent.map(({ state, since }) => [state, since])).toEqual([
      ['resolved', '2026-01-07T14:20:00.000Z'],
    ]);
  });

  it('ends when its server is not forecast for a whole horizon', () => {
    const book = new AlertBook(rules(`${RULE}, for: 1}]`), shape);
    book.update(outlook([95]));
    book.expire(NOW + 12 * STEP_MS);
    expect(book.active()).toHaveLength(1);
    book.expire(NOW + 13 * STEP_MS);
    expect(book.active()).toEqual([]);
    expect(book.recent[0]?.text).toContain('no forecast for so long');
  });

  it('goes on over changed rules if its own rule is the same, and over a restart', () => {
    const [full, low] = [`${RULE}, for: 2}`, '{name: low, below: 96, for: 1}'];
    const book = new AlertBook(rules(`${full}, ${low}]`), shape);
    for (const step of [0, 1]) book.update(outlook([95], { at: NOW + step * STEP_MS }));
    book.replaceRules(rules(`${full}, {name: low, below: 40}]`), NOW + 2 * STEP_MS);
    expect(book.active().map(({ id, since }) => [id, since])).toEqual([
      ['full/web-01', '2026-01-07T14:05:00.000Z'],
    ]);

    const record = JSON.parse(JSON.stringify(book.record()));
    const after = new AlertBook(rules(`${full}]`), shape);
    after.restore(record);
    expect(after.active()).toEqual(book.active());
    after.update(outlook([50], { at: NOW + 3 * STEP_MS }));
    expect(after.active()).toHaveLength(1);
    after.update(outlook([50], { at: NOW + 4 * STEP_MS }));
    expect(after.active()).toEqual([]);
  });
});
