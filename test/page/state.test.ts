// What the page computes before anything is drawn: order, filters, texts, addresses, events.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Alert, Alerts, Explanation, OverviewRow, ServerDetail } from '../../src/fleet/api.js';
import { crossingsAhead } from '../../web/state/ahead.js';
import { EventParser } from '../../web/state/events.js';
import {
  partName,
  type Strip,
  type StripRow,
  stripOf,
  stripSummary,
  weightGroups,
} from '../../web/state/explanation.js';
import { bands, fanOf } from '../../web/state/fan.js';
import { afterAlert, afterStep, announcement, fleetOf } from '../../web/state/fleet.js';
import { FIRST_VIEW, parseHash, type Route, sortBy, toHash } from '../../web/state/hash.js';
import { bytes, limit, loss, measure, quantileName, skill, withUnit } from '../../web/state/numbers.js';
import { lookedAt, summary } from '../../web/state/readout.js';
import { COLUMNS, isOver, NO_FILTER, tally, visibleRows } from '../../web/state/rows.js';
import { ago, clock, crossingText, duration } from '../../web/state/times.js';
import { rowsInView, stretches } from '../../web/state/window-rows.js';
import { PageFleet } from '../fixtures/page-fleet.js';

const NOW = '2026-03-10T14:10:00.000Z';
const at = (minutes: number) => new Date(Date.parse(NOW) + minutes * 60_000).toISOString();

function row(server: string, more: Partial<OverviewRow> = {}): OverviewRow {
  return {
    server,
    profile: 'web_api',
    status: 'healthy',
    state: 'ready',
    risk: 10,
    level: 'ok',
    now: 40,
    peak: null,
    crossing: null,
    ageSeconds: 5,
    filledSteps: 0,
    source: 'model',
    spark: [],
    ...more,
  };
}
const crossing = (earliest: number | null, likely: number | null, latest: number | null, threshold = 80) => ({
  threshold,
  earliest: earliest === null ? null : at(earliest),
  likely: likely === null ? null : at(likely),
  latest: latest === null ? null : at(latest),
});
const names = (rows: readonly OverviewRow[]) => rows.map(({ server }) => server);

describe('the table', () => {
  const rows = [
    row('a2', { risk: 90, level: 'critical', crossing: crossing(60, 120, null), profile: 'database' }),
    row('a10', { risk: 90, level: 'critical', crossing: crossing(5, 15, 60) }),
    row('b1', { now: null, state: 'stale', ageSeconds: 4000 }),
    row('c1', { now: 55, status: 'heavy_load', crossing: crossing(10, null, null) }),
  ];

  test('sorts by risk, and among equals by the time of the crossing', () => {
    const list = visibleRows(rows, NO_FILTER, { column: 'risk', descending: true });
    expect(names(list)).toEqual(['a10', 'a2', 'c1', 'b1']);
  });

  test('sorts names by the numbers in them, both ways', () => {
    const { rows: ordered } = fleetOf({ ...new PageFleet(0).overview(), servers: rows });
    expect(names(visibleRows(ordered, NO_FILTER, { column: 'server', descending: false }))).toEqual([
      'a2',
      'a10',
      'b1',
      'c1',
    ]);
    expect(names(visibleRows(ordered, NO_FILTER, { column: 'server', descending: true }))[0]).toBe('c1');
  });

  test.each([true, false])('leaves servers without a value last (descending: %s)', (descending) => {
    expect(names(visibleRows(rows, NO_FILTER, { column: 'now', descending })).at(-1)).toBe('b1');
    expect(names(visibleRows(rows, NO_FILTER, { column: 'crossing', descending })).at(-1)).toBe('b1');
  });

  test('shows likely crossings before possible ones', () => {
    expect(
      names(visibleRows(rows, NO_FILTER, { column: 'crossing', descending: false })).slice(0, 3),
    ).toEqual(['a10', 'a2', 'c1']);
  });

  test('filters by words of name, profile and status, all of them', () => {
    const found = (text: string) => names(visibleRows(rows, { ...NO_FILTER, text }, FIRST_VIEW.sort));
    expect(found('A1')).toEqual(['a10']);
    expect(found('data a')).toEqual(['a2']);
    expect(found('heavy')).toEqual(['c1']);
    expect(found('nothing')).toEqual([]);
  });

  test('filters by level, profile and state, and counts what there is', () => {
    const by = (filter: object) => names(visibleRows(rows, { ...NO_FILTER, ...filter }, FIRST_VIEW.sort));
    expect(by({ level: 'critical' })).toEqual(['a10', 'a2']);
    expect(by({ profile: 'database' })).toEqual(['a2']);
    expect(by({ state: 'stale' })).toEqual(['b1']);
    expect(tally(rows)).toMatchObject({
      all: 4,
      levels: { critical: 2, warning: 0, ok: 2 },
      states: { ready: 3, stale: 1 },
      profiles: [
        ['database', 1],
        ['web_api', 3],
      ],
    });
  });

  test('never loses or repeats a server, whatever the order', () => {
    const fleet = new PageFleet(200).overview().servers;
    for (const column of COLUMNS) {
      for (const descending of [true, false]) {
        const list = visibleRows(fleet, NO_FILTER, { column, descending });
        expect(new Set(names(list)).size).toBe(200);
      }
    }
  });

  test('says which servers are over the threshold already', () => {
    expect(isOver(row('a', { now: 81, crossing: crossing(5, 5, 5) }))).toBe(true);
    expect(isOver(row('a', { now: 79, crossing: crossing(5, 5, 5) }))).toBe(false);
    expect(isOver(row('a', { now: 99 }))).toBe(false);
  });
});

describe('rows in view', () => {
  test('are those of the view and some around it', () => {
    expect(rowsInView(-200, 800, 40, 5000)).toEqual({ from: 0, to: 28 });
    const { from, to } = rowsInView(40_000, 800, 40, 5000);
    expect(from).toBeLessThanOrEqual(1000 - 8);
    expect(to).toBeGreaterThanOrEqual(1020 + 8);
    expect(to - from).toBeLessThan(60);
  });

  test('with the gaps between them they are always the whole table', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -2000, max: 300_000 }),
        fc.integer({ min: 0, max: 6000 }),
        fc.option(fc.integer({ min: -1, max: 7000 }), { nil: undefined }),
        (top, rows, kept) => {
          const window = rowsInView(top, 900, 38, rows);
          const parts = stretches(window, rows, kept);
          let next = 0;
          for (const { from, to } of parts) {
            expect(from).toBe(next);
            expect(to).toBeGreaterThan(from);
            next = to;
          }
          expect(next).toBe(rows);
          if (kept !== undefined && kept >= 0 && kept < rows) {
            expect(parts.some(({ from, to, isGap }) => !isGap && kept >= from && kept < to)).toBe(true);
          }
        },
      ),
    );
  });
});

describe('times', () => {
  test('of another day name it, but not of the coming night', () => {
    expect(clock(at(0), NOW, 'utc')).toBe('14:10');
    expect(clock(at(11 * 60), NOW, 'utc')).toBe('01:10');
    expect(clock(at(12 * 60), NOW, 'utc')).toBe('Wed 02:10');
    expect(clock(at(-14 * 24 * 60), NOW, 'utc')).toBe('24 Feb 14:10');
  });

  test.each([
    [0, '0 s'],
    [89, '89 s'],
    [300, '5 min'],
    [3600, '1 h'],
    [3600 * 3 + 20 * 60, '3 h 20 min'],
    [3599, '1 h'],
    [86_400 * 3, '3 days'],
  ])('%i seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  test('that have just been are called so', () => {
    expect(ago(1)).toBe('just now');
    expect(ago(61)).toBe('61 s ago');
  });

  test.each([
    [crossing(0, 55, 150), '14:10 – 16:40', 'likely 15:05', 'between 14:10 and 16:40, likely at 15:05'],
    [crossing(0, 0, 150), '14:10 – 16:40', 'likely', 'between 14:10 and 16:40'],
    [crossing(0, 55, null), 'from 14:10', 'likely 15:05', 'from 14:10, likely at 15:05'],
    [crossing(0, 0, null), 'from 14:10', 'likely', 'likely from 14:10'],
    [crossing(0, null, null), 'from 14:10', 'possibly', 'possibly from 14:10'],
    [crossing(5, 5, 5), '14:15', 'nearly certain', 'at 14:15'],
    [
      crossing(12 * 60, 14 * 60, null),
      'from Wed 02:10',
      'likely Wed 04:10',
      'from Wed 02:10, likely at Wed 04:10',
    ],
    [crossing(null, null, null), '', '', 'not within the forecast'],
  ])('of a crossing are an interval (%#)', (given, interval, note, sentence) => {
    expect(crossingText(given, NOW, 'utc')).toEqual({ interval, note, sentence });
  });
});

test('numbers have the digits that matter', () => {
  expect([0, 0.034, 0.5, 1, 63.14, 99.94, 99.96, 1234.5, null].map(measure)).toEqual([
    '0.0',
    '0.034',
    '0.5',
    '1.0',
    '63.1',
    '99.9',
    '100',
    '1,235',
    '–',
  ]);
  expect([withUnit(63.14, '%'), withUnit(null, '%'), withUnit(3, '')]).toEqual(['63.1 %', '–', '3.0']);
  expect([limit(80, '%'), limit(0.25, ''), limit(1500, 'MB/s')]).toEqual(['80 %', '0.25', '1,500 MB/s']);
  expect([0.02, 0.5, 0.025].map(quantileName)).toEqual(['2 %', '50 %', '2.5 %']);
  expect([bytes(999), bytes(163e6), bytes(9_437_184), bytes(1e12)]).toEqual([
    '999 B',
    '163 MB',
    '9.44 MB',
    '1 TB',
  ]);
  expect([loss(0.554), loss(null)]).toEqual(['0.55', '–']);
  expect(
    [skill(0.8, 1), skill(1, 0.8), skill(null, 1), skill(1, 0)].map((value) => value && Math.round(value)),
  ).toEqual([20, -25, undefined, undefined]);
});

describe('the address', () => {
  const routes: Route[] = [
    FIRST_VIEW,
    { view: 'servers', sort: { column: 'peak', descending: false }, filter: NO_FILTER, page: 3 },
    {
      view: 'servers',
      sort: FIRST_VIEW.sort,
      filter: { text: 'db & 50 %', level: 'warning', profile: 'web_api', state: 'warming-up' },
      page: undefined,
    },
    { view: 'server', server: 'a/b c?#%', past: 60, values: true },
    { view: 'server', server: 'x', past: undefined, values: false },
    { view: 'alerts' },
    { view: 'accuracy' },
    { view: 'engine' },
  ];
  test.each(routes)('of a view leads back to it (%#)', (route) => {
    expect(parseHash(toHash(route))).toEqual(route);
  });

  test('of what is not there is the first view', () => {
    for (const hash of [
      '',
      '#',
      '#/',
      '#/nothing',
      '#/servers?sort=x&level=y&state=z&page=-1',
      '#/servers/',
    ]) {
      expect(parseHash(hash)).toEqual(FIRST_VIEW);
    }
    expect(parseHash('#/servers/100%')).toMatchObject({ view: 'server', server: '100%' });
  });

  test('is short for the first view', () => {
    expect(toHash(FIRST_VIEW)).toBe('#/servers');
  });

  test('turns the order round at the second click', () => {
    const once = sortBy(FIRST_VIEW.sort, 'now');
    expect(once).toEqual({ column: 'now', descending: true });
    expect(sortBy(once, 'now')).toEqual({ column: 'now', descending: false });
    expect(sortBy(once, 'server')).toEqual({ column: 'server', descending: false });
  });
});

describe('server-sent events', () => {
  const stream =
    ': hello\n\nevent: step\ndata: {"a":1}\n\nid: 7\r\ndata: one\r\ndata:two\r\n\r\nevent: empty\n\ndata: é\r\r';
  const expected = [
    { event: 'step', data: '{"a":1}' },
    { event: 'message', data: 'one\ntwo' },
    { event: 'message', data: 'é' },
  ];

  test('are read however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 12 }), (cuts) => {
        const parser = new EventParser();
        const ends = [...cuts.sort((one, other) => one - other), stream.length];
        let from = 0;
        const events = ends.flatMap((to) => {
          const piece = stream.slice(from, to);
          from = to;
          return parser.push(piece);
        });
        expect(events).toEqual(expected);
      }),
    );
  });

  test('wait for the end of a line that comes in many pieces', () => {
    const parser = new EventParser();
    const long = 'x'.repeat(100_000);
    expect(parser.push('data: ')).toEqual([]);
    for (let piece = 0; piece < 10; piece++) expect(parser.push(long)).toEqual([]);
    expect(parser.push('\n\n')[0]?.data.length).toBe(1_000_000);
  });
});

describe('an event', () => {
  test('of a step changes the servers that it names, and adds new ones in their place', () => {
    const overview = {
      ...new PageFleet(0).overview(),
      servers: [row('b', { risk: 1 }), row('a', { risk: 1 })],
    };
    const before = fleetOf(overview);
    const after = afterStep(before, { time: at(5), servers: [row('b', { risk: 70 }), row('ab')] });
    expect(names(before.rows)).toEqual(['a', 'b']);
    expect(after.rows.map(({ server, risk }) => [server, risk])).toEqual([
      ['a', 1],
      ['ab', 10],
      ['b', 70],
    ]);
    expect(after.about.time).toBe(at(5));
    expect(before.rows[1]?.risk).toBe(1);
  });

  const [sample] = new PageFleet(40).alerts().active as [Alert];
  const alert = (id: string, state: Alert['state']): Alert => ({
    ...sample,
    id,
    server: id,
    text: 'is full',
    state,
  });
  const none: Alerts = { active: [], recent: [], rules: [] };

  test('of an alert moves it to its place', () => {
    const pending = afterAlert(none, { alert: alert('a', 'pending') });
    const firing = afterAlert(pending, { alert: alert('a', 'firing') });
    const over = afterAlert(firing, { alert: alert('a', 'resolved') });
    const again = afterAlert(over, { alert: alert('a', 'firing') });
    expect(
      [pending, firing, over, again].map(({ active, recent }) => [active.length, recent.length]),
    ).toEqual([
      [1, 0],
      [1, 0],
      [0, 1],
      [1, 0],
    ]);
  });

  test('of an alert is announced once, when it fires', () => {
    const pending = afterAlert(none, { alert: alert('a', 'pending') });
    const firing = afterAlert(pending, { alert: alert('a', 'firing') });
    expect(announcement(none, pending)).toBe('');
    expect(announcement(pending, firing)).toBe('New alert. a: is full');
    expect(announcement(firing, firing)).toBe('');
    const many = ['b', 'c', 'd', 'e'].reduce(
      (all, id) => afterAlert(all, { alert: alert(id, 'firing') }),
      none,
    );
    expect(announcement(none, many)).toContain('4 new alerts. e: is full; d: is full; c: is full and 1 more');
  });
});

test('crossings ahead are counted in the part of the time that they fall in', () => {
  const start = Date.parse(NOW);
  const rows = [
    row('a', { crossing: crossing(0, 0, 0) }),
    row('b', { crossing: crossing(0, 119, null) }),
    row('c', { crossing: crossing(61, null, null) }),
    row('d', { crossing: crossing(0, 480, null) }),
    row('e'),
  ];
  const bins = crossingsAhead(rows, start, start + 8 * 3_600_000, 8);
  expect(bins.map(({ likely }) => likely)).toEqual([1, 1, 0, 0, 0, 0, 0, 1]);
  expect(bins.map(({ possible }) => possible)).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
});

describe("a server's chart", () => {
  const fleet = new PageFleet(20);
  const detail = fleet.detail('database-01');
  if (!detail) throw new Error('the fleet has changed');
  const words = { unit: '%', zone: 'utc', past: 60 } as const;

  test('has one axis of times for history, forecast and past forecasts', () => {
    const fan = fanOf(detail, 60);
    expect(fan.times.length).toBe(288 + 96);
    expect([...fan.times]).toEqual([...new Set(fan.times)].sort((one, other) => one - other));
    expect(fan.measured.slice(0, 288)).toEqual(detail.history.values);
    expect(fan.quantiles.map((values) => values.at(-1))).toEqual(detail.forecast?.values.at(-1));
    expect(fan.past?.median.filter((value) => value !== null).length).toBe(192);
    expect(fanOf(detail, undefined).past).toBeUndefined();
  });

  test('opens its fan at the last measured value', () => {
    const fan = fanOf(detail, undefined);
    for (const values of fan.quantiles) expect(values[287]).toBe(detail.history.values[287]);
    expect(fan.now).toBe(fan.times[287]);
  });

  test('is drawn without forecast, and without history', () => {
    expect(fanOf({ ...detail, forecast: null }, undefined).quantiles).toEqual([]);
    const fan = fanOf({ ...detail, history: { ...detail.history, values: [], filled: [] } }, undefined);
    expect([fan.times.length, fan.now]).toEqual([96, undefined]);
    expect(summary(fan, words)).toMatch(
      /^Over the next 7 h 55 min the median is highest at \d\d:\d\d, with [\d.]+ %\.$/,
    );
  });

  test('describes a time in words', () => {
    const fan = fanOf(detail, 60);
    expect(lookedAt(fan, 287, words)).toMatch(
      /^14:10: measured [\d.]+ %, forecast 1 h before [\d.]+ % \([\d.]+ to [\d.]+\)$/,
    );
    expect(lookedAt(fan, 288, words)).toMatch(
      /^14:15: median [\d.]+ %, 50 % [\d.]+ to [\d.]+, 80 % [\d.]+ to [\d.]+, 96 % [\d.]+ to [\d.]+$/,
    );
    const holes = fanOf({ ...detail, history: { ...detail.history, values: [1, null, 3] } }, undefined);
    expect(lookedAt(holes, 1, words)).toContain('not measured');
  });

  test('is summarized for screen readers', () => {
    expect(summary(fanOf(detail, undefined), words)).toMatch(
      /^Over the past 23 h 55 min between [\d.]+ and [\d.]+ %, now [\d.]+ %\. Over the next 8 h the median is highest at/,
    );
  });

  test('nests its bands around the median', () => {
    expect(
      bands([0.02, 0.1, 0.5, 0.9, 0.98]).map(({ low, high, share }) => [low, high, Number(share.toFixed(2))]),
    ).toEqual([
      [0, 4, 0.96],
      [1, 3, 0.8],
    ]);
    expect(bands([0.5])).toEqual([]);
  });
});

describe('what a forecast rests on', () => {
  const fleet = new PageFleet(20);
  const detail = fleet.detail('web-api-01') as ServerDetail;
  const fan = fanOf(detail, undefined);
  const strip = stripOf(detail, fan);

  test('is a strip over the axis of the chart: a row for each part of the time ahead, a cell for each hour', () => {
    if (strip === undefined) return expect.unreachable();
    expect(strip.rows.map(({ name }) => name)).toEqual(['next 1 h', '1 to 4 h', '4 to 8 h']);
    const [{ cells }] = strip.rows as [StripRow];
    expect(cells).toHaveLength(24);
    expect(cells[0]?.left).toBe(0);
    // 288 steps of the past and 96 ahead have 383 distances between them.
    expect(cells[1]?.left).toBeCloseTo((12 / 383) * 100, 6);
    expect(strip.end).toBeCloseTo((288 / 383) * 100, 6);
    expect(Math.max(...strip.rows.flatMap((row) => row.cells.map(({ shade }) => shade)))).toBe(1);
  });

  test('is said in words, with the hour that each part looks at most', () => {
    const words = stripSummary(strip as Strip, Date.parse(fleet.time), 'utc');
    expect(words).toMatch(
      /^Attention to the past by how far ahead: next 1 h, most to 13:15 to 14:15: \d+ %; /,
    );
  });

  test('has its variables by group, the heaviest of each, and no group of one variable', () => {
    const { explanation } = detail as { explanation: Explanation };
    expect(weightGroups(explanation, 2).map(({ title, list }) => [title, list.length])).toEqual([
      ['Of the past', 2],
      ['Known ahead', 2],
      ['Of the whole window', 2],
    ]);
    const one = { ...explanation, ahead: explanation.ahead.slice(0, 1) };
    expect(weightGroups(one, 2)).toHaveLength(2);
  });

  test('has no place where the server has no explanation', () => {
    expect(stripOf({ ...detail, explanation: null }, fan)).toBeUndefined();
  });

  test.each([
    [0, 60, 'next 1 h'],
    [60, 240, '1 to 4 h'],
    [0, 1, 'next 60 s'],
    [30, 240, '30 min to 4 h'],
    [90, 240, '1 h 30 min to 4 h'],
  ])('%i to %i minutes ahead are %s', (from, to, name) => {
    expect(partName(from, to)).toBe(name);
  });
});
