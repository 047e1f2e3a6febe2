// FleetHistory through its public face: rows in, windows out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FleetHistory, type FleetHistoryOptions, type HistoryRow } from '../../src/history/index.js';
import { smallModel } from '../fixtures/small-model.js';

const STEP = 5 * 60_000;
/** Monday, an hour before midnight. */
const T0 = Date.UTC(2026, 0, 5, 23, 0);

function row(step: number, cpu: number | null = step, more: Partial<HistoryRow> = {}): HistoryRow {
  return { timestamp: T0 + step * STEP, server_name: 'a', metrics: { cpu, net: 1 }, ...more };
}

function historyOf(rows: readonly HistoryRow[], options?: FleetHistoryOptions): FleetHistory {
  const history = new FleetHistory(smallModel, options);
  for (const item of rows) history.add(item);
  return history;
}

function cpuOf(history: FleetHistory, options = {}): number[] {
  const [window] = history.windows(options).servers;
  return [...(window?.inputs.encoderCont ?? [])].filter((_, index) => index % 2 === 0);
}

function steps(...list: number[]): HistoryRow[] {
  return list.map((step) => row(step));
}

describe('windows of a complete history', () => {
  it('hold the newest rows, their codes, and the calendar of the horizon in UTC', () => {
    const history = historyOf(
      [0, 1, 2, 3, 4].map((step) =>
        row(step + 8, step, { profile: 'web', status: step === 4 ? 'idle' : 'healthy' }),
      ),
    );
    const { servers, refused, warnings, packed } = history.windows();
    expect(refused).toEqual([]);
    expect(warnings).toEqual([]);
    expect(servers).toHaveLength(1);
    const { server, start, inputs, filled } = servers[0] as (typeof servers)[0];
    expect(server).toBe('a');
    expect(start.toISOString()).toBe('2026-01-06T00:05:00.000Z');
    expect(filled).toEqual([]);
    expect([...inputs.encoderCont]).toEqual([1, 1, 2, 1, 3, 1, 4, 1]);
    expect([...inputs.encoderCat]).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
    expect([...inputs.decoderCont]).toEqual([0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0]);
    expect([...inputs.decoderCat]).toEqual([1, 2, 1, 2, 1, 2]);
    expect(inputs.encoderCont.buffer).toBe(packed.encoderCont.buffer);
  });

  it.each(['2026-03-02', '2026-03-08', '2026-02-25'])(
    'of weeks begin on the day of the first row: %s',
    (first) => {
      const history = new FleetHistory({ ...smallModel, stepMinutes: 7 * 24 * 60 });
      const day = (week: number) => new Date(Date.parse(first) + week * 7 * 24 * 3_600_000);
      for (const week of [0, 1, 2, 3]) history.add(row(0, week, { timestamp: day(week) }));
      const { servers, refused } = history.windows();
      expect(refused).toEqual([]);
      expect(servers[0]?.start).toEqual(day(4));
      const known = [...(servers[0]?.inputs.decoderCont ?? [])];
      expect([0, 1, 2].map((step) => known.slice(4 * step, 4 * step + 4))).toEqual(
        [4, 5, 6].map((week) => {
          const weekday = (day(week).getUTCDay() + 6) % 7;
          return [0, weekday, day(week).getUTCMonth() + 1, weekday > 4 ? 1 : 0];
        }),
      );
      const short = new FleetHistory({ ...smallModel, stepMinutes: 7 * 24 * 60 });
      short.add(row(0, 1, { timestamp: day(0) }));
      expect(short.windows().refused[0]?.message).toContain(
        `from ${first}T00:00Z to ${first}T00:00Z; 4 steps (672 h)`,
      );
    },
  );

  it('know the weekend and the turn of a year', () => {
    // 2028-01-01 is a Saturday.
    const late = Date.UTC(2027, 11, 31, 23, 50) - 3 * STEP;
    const history = historyOf([0, 1, 2, 3].map((step) => row(0, 1, { timestamp: late + step * STEP })));
    expect([...(history.windows().servers[0]?.inputs.decoderCont ?? [])]).toEqual([
      23, 4, 12, 0, 0, 5, 1, 1, 0, 5, 1, 1,
    ]);
  });

  it('come packed for many servers, sorted by name with digits as numbers', () => {
    const rows = ['vm10', 'vm2', 'vm1'].flatMap((server_name, index) =>
      [0, 1, 2, 3].map((step) => row(step, 10 * index + step, { server_name })),
    );
    const { servers, packed } = historyOf(rows).windows();
    expect(servers.map((window) => window.server)).toEqual(['vm1', 'vm2', 'vm10']);
    const cpu = [...packed.encoderCont].filter((_, index) => index % 2 === 0);
    expect(cpu).toEqual([20, 21, 22, 23, 10, 11, 12, 13, 0, 1, 2, 3]);
  });

  it('are the same for times of another zone, as text, Date or number', () => {
    const inBerlin = (step: number) =>
      `${new Date(T0 + step * STEP + 3_600_000).toISOString().slice(0, 16)}+01:00`;
    const asDate = (step: number) => new Date(T0 + step * STEP);
    expect(
      cpuOf(historyOf([0, 1, 2, 3].map((step) => row(step, step, { timestamp: inBerlin(step) })))),
    ).toEqual(cpuOf(historyOf([0, 1, 2, 3].map((step) => row(step, step, { timestamp: asDate(step) })))));
  });

  it('take rows beside the grid to the nearest step', () => {
    const off = [-140_000, 20_000, 149_000, 0].map((ms, step) =>
      row(step, step, { timestamp: T0 + step * STEP + ms }),
    );
    expect(cpuOf(historyOf(off))).toEqual([0, 1, 2, 3]);
  });

  it('look up a category called server_id by the name of the server', () => {
    const model = {
      ...smallModel,
      categories: [
        { name: 'server_id', codes: { unknown: 0, a: 1, b: 2 }, role: 'static' as const },
        smallModel.categories[1],
      ],
    };
    const history = new FleetHistory(model);
    for (const server_name of ['b', 'stranger']) {
      for (const step of [0, 1, 2, 3]) history.add(row(step, 1, { server_name, status: 'idle' }));
    }
    const { servers, warnings } = history.windows();
    expect(servers.map((window) => [...window.inputs.encoderCat.subarray(0, 2)])).toEqual([
      [2, 2],
      [0, 2],
    ]);
    expect(warnings.map((warning) => warning.message)).toEqual([
      "server_id 'stranger' is unknown to the model (4 rows); taken as 'unknown'",
    ]);
  });
});

describe('gaps', () => {
  it('are filled with the row before, with a warning', () => {
    const history = historyOf(steps(0, 1, 4, 5));
    const { servers, warnings } = history.windows();
    expect(cpuOf(history)).toEqual([1, 1, 4, 5]);
    expect(servers[0]?.filled).toEqual([{ from: new Date(T0 + 2 * STEP), steps: 2 }]);
    expect(warnings).toEqual([
      {
        kind: 'filled',
        server: 'a',
        count: 2,
        message: 'a: filled 2 of 4 steps, from 2026-01-05T23:10Z (10 min)',
      },
    ]);
  });

  it('at the very beginning are filled from before the window', () => {
    expect(cpuOf(historyOf(steps(0, 3, 4, 5), { maxGapMinutes: 10 }))).toEqual([0, 3, 4, 5]);
  });

  it.each([
    [10, [0, 0, 3, 4]],
    [9, []],
  ])('of 10 minutes with at most %i allowed give %j', (maxGapMinutes, expected) => {
    expect(cpuOf(historyOf(steps(-1, 0, 3, 4), { maxGapMinutes }))).toEqual(expected);
  });

  it('too long are refused, naming the server, what it has and what is needed', () => {
    const { servers, refused } = historyOf(steps(0, 1, 2, 3, 16, 17), { maxGapMinutes: 20 }).windows();
    expect(servers).toEqual([]);
    expect(refused).toEqual([
      {
        server: 'a',
        code: 'ERR_TFT_HISTORY_SHORT',
        message:
          'has 2 steps (0.2 h) since a gap of 12 steps that ends before 2026-01-06T00:20Z; ' +
          '4 steps (0.3 h) are needed, and gaps of up to 4 steps are filled',
      },
    ]);
  });

  it('between the newest row and the asked-for time are filled too, up to the same length', () => {
    const history = historyOf(steps(0, 1, 2, 3), { maxGapMinutes: 10 });
    expect(cpuOf(history, { at: T0 + 5 * STEP })).toEqual([2, 3, 3, 3]);
    expect(history.windows({ at: T0 + 6 * STEP }).refused[0]?.message).toBe(
      'its newest row, 2026-01-05T23:15Z, is 3 steps before 2026-01-05T23:30Z; gaps of up to 2 steps are filled',
    );
  });
});

describe('one bad server among good ones', () => {
  it('is refused by name, and the others are there', () => {
    const rows = [...steps(0, 1, 2, 3), ...[1, 2, 3].map((step) => row(step, 1, { server_name: 'young' }))];
    const { servers, refused } = historyOf(rows).windows();
    expect(servers.map((window) => window.server)).toEqual(['a']);
    expect(refused).toEqual([
      {
        server: 'young',
        code: 'ERR_TFT_HISTORY_SHORT',
        message:
          'has 3 steps (0.3 h) of history, from 2026-01-05T23:05Z to 2026-01-05T23:15Z; 4 steps (0.3 h) are needed',
      },
    ]);
  });

  it('gets a warning if its history ends long before the others', () => {
    const rows = [
      ...steps(40, 41, 42, 43),
      ...[0, 1, 2, 3].map((step) => row(step, 1, { server_name: 'b' })),
    ];
    const { warnings } = historyOf(rows).windows();
    expect(warnings).toMatchObject([{ kind: 'stale', server: 'b' }]);
    expect(warnings[0]?.message).toContain('ends 3.3 h before the newest of the fleet');
  });
});

describe('rows twice', () => {
  it('and equal are counted, one is kept', () => {
    const { warnings, servers } = historyOf(steps(0, 1, 1, 2, 3)).windows();
    expect(servers).toHaveLength(1);
    expect(warnings).toMatchObject([{ kind: 'repeated', count: 1 }]);
  });

  it('of one time and different: the last one counts, with a warning', () => {
    const history = historyOf([...steps(0, 1, 2, 3), row(2, 77)]);
    expect(cpuOf(history)).toEqual([0, 1, 77, 3]);
    expect(history.windows().warnings).toMatchObject([
      {
        kind: 'conflicting',
        count: 1,
        message:
          'different rows for the same server and time: 1 (first: a at 2026-01-05T23:10Z); the last one is kept',
      },
    ]);
  });

  it('in one step at different times: their mean, in whatever order they come', () => {
    const early = row(2, 50, { timestamp: T0 + 2 * STEP - 60_000 });
    for (const rows of [
      [...steps(0, 1, 2, 3), early],
      [early, ...steps(0, 1, 2, 3)],
    ]) {
      const history = historyOf(rows);
      expect(cpuOf(history)).toEqual([0, 1, 26, 3]);
      expect(history.windows().warnings).toMatchObject([{ kind: 'merged', count: 1 }]);
    }
  });
});

describe('doubtful values', () => {
  it('an empty metric makes its row count as missing', () => {
    const history = historyOf([row(0), row(1), row(2, null), row(3)]);
    expect(cpuOf(history)).toEqual([0, 1, 1, 3]);
    expect(history.windows().warnings).toMatchObject([{ kind: 'filled' }, { kind: 'incomplete', count: 1 }]);
  });

  it('an unknown category is taken as unknown and counted', () => {
    const rows = [0, 1, 2, 3].map((step) => row(step, 1, { profile: 'blockchain', status: 'unknown' }));
    const { servers, warnings } = historyOf(rows).windows();
    expect([...(servers[0]?.inputs.encoderCat ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(warnings).toMatchObject([{ kind: 'category', count: 4 }]);
  });

  it('values outside a range of the model are used, with a warning that names the first of them', () => {
    const { warnings } = historyOf([row(0, 1), row(1, 120), row(2, -1), row(3, 3)]).windows();
    expect(warnings.map((warning) => warning.message)).toEqual([
      '2 values of cpu outside its range, 0 to 100 % (first: 120 of a at 2026-01-05T23:05Z)',
    ]);
  });
});

describe('a bad row is refused, naming the row and column', () => {
  it.each<[string, unknown, string, string]>([
    [
      'NaN',
      { metrics: { cpu: Number.NaN, net: 1 } },
      'ERR_TFT_HISTORY_VALUE',
      "row 2 (a at 2026-01-05T23:05Z), column cpu: 'NaN' is not a finite 32-bit number",
    ],
    [
      'infinity',
      { metrics: { cpu: 1, net: Number.POSITIVE_INFINITY } },
      'ERR_TFT_HISTORY_VALUE',
      'row 2 (a at 2026-01-05T23:05Z), column net',
    ],
    [
      'text',
      { metrics: { cpu: '7', net: 1 } },
      'ERR_TFT_HISTORY_VALUE',
      "row 2 (a at 2026-01-05T23:05Z), column cpu: '7'",
    ],
    [
      'beyond float32',
      { metrics: { cpu: 1e39, net: 1 } },
      'ERR_TFT_HISTORY_VALUE',
      'row 2 (a at 2026-01-05T23:05Z), column cpu',
    ],
    [
      'a missing metric',
      { metrics: { cpu: 1 } },
      'ERR_TFT_HISTORY_COLUMN',
      'row 2 (a at 2026-01-05T23:05Z): metric net is missing',
    ],
    [
      'an unknown metric',
      { metrics: { cpu: 1, net: 1, fan: 1 } },
      'ERR_TFT_HISTORY_COLUMN',
      "row 2 (a at 2026-01-05T23:05Z): unknown column 'metrics.fan'",
    ],
    [
      'an unknown key',
      { cpu: 1 },
      'ERR_TFT_HISTORY_COLUMN',
      "row 2 (a at 2026-01-05T23:05Z): unknown column 'cpu'",
    ],
    ['a bad time', { timestamp: 'noon' }, 'ERR_TFT_HISTORY_VALUE', "row 2 (a), column timestamp: 'noon'"],
    [
      'an invalid Date',
      { timestamp: new Date(Number.NaN) },
      'ERR_TFT_HISTORY_VALUE',
      'row 2 (a), column timestamp',
    ],
    [
      'no server',
      { server_name: '' },
      'ERR_TFT_HISTORY_VALUE',
      'row 2 (2026-01-05T23:05Z), column server_name',
    ],
  ])('%s', (_name, more, code, message) => {
    const history = historyOf([row(0)]);
    const bad = { ...row(1), ...(more as object) } as HistoryRow;
    expect(() => history.add(bad)).toThrowError(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it('also without an object for it', () => {
    const history = new FleetHistory(smallModel);
    for (const [time, values] of [
      [Number.NaN, [1, 1]],
      [T0, [1, Number.NEGATIVE_INFINITY]],
    ] as const) {
      expect(() => history.record('a', time, values, [])).toThrowError(
        expect.objectContaining({ code: 'ERR_TFT_HISTORY_VALUE' }),
      );
    }
  });

  it('bad options are refused', () => {
    for (const options of [{ maxGapMinutes: -1 }, { maxGapMinutes: Number.NaN }, { until: 'noon' }]) {
      expect(() => new FleetHistory(smallModel, options)).toThrowError(
        expect.objectContaining({ code: 'ERR_TFT_OPTION' }),
      );
    }
    expect(() => historyOf(steps(0)).windows({ at: 'noon' })).toThrowError(
      expect.objectContaining({ code: 'ERR_TFT_OPTION' }),
    );
    expect(() => new FleetHistory(smallModel).windows()).toThrowError(
      expect.objectContaining({ code: 'ERR_TFT_HISTORY_EMPTY' }),
    );
  });
});

describe('a forecast of the past', () => {
  it('uses nothing after `until`', () => {
    const until = T0 + 3 * STEP;
    const history = historyOf(steps(0, 1, 2, 3, 4, 5, 900), { until });
    expect(cpuOf(history, { at: until })).toEqual([0, 1, 2, 3]);
  });

  it('refuses a server that only has later rows', () => {
    const { refused } = historyOf([...steps(0, 1, 2, 3), row(9, 1, { server_name: 'later' })], {
      until: T0 + 3 * STEP,
    }).windows();
    expect(refused).toMatchObject([{ server: 'later', code: 'ERR_TFT_HISTORY_SHORT' }]);
  });

  it('says so when newer rows have displaced what it needs', () => {
    const history = historyOf(steps(...Array.from({ length: 60 }, (_, step) => step)), { maxGapMinutes: 0 });
    expect(history.windows({ at: T0 + 10 * STEP }).refused).toMatchObject([
      { code: 'ERR_TFT_HISTORY_ORDER' },
    ]);
  });
});

describe('memory', () => {
  it('is held for the servers, not for the length of their history', () => {
    const history = new FleetHistory(smallModel);
    const fill = (from: number, to: number) => {
      for (let step = from; step < to; step++) {
        for (let server = 0; server < 100; server++)
          history.record(`vm${server}`, T0 + step * STEP, [1, 2], []);
      }
      return process.memoryUsage().arrayBuffers;
    };
    const afterAnHour = fill(0, 12);
    const afterTenDays = fill(12, 10 * 288);
    // A row has 8 bytes of metrics at least: 280,000 of them would be two megabytes.
    expect(afterTenDays - afterAnHour).toBeLessThan(500_000);
    expect(history.windows().servers).toHaveLength(100);
  });
});

describe('for any rows', () => {
  const anyRows = fc.uniqueArray(
    fc.record({
      server: fc.constantFrom('a', 'b', 'vm-with-a-long-name'),
      ms: fc.integer({ min: 0, max: 40 * STEP }),
      cpu: fc.float({ noNaN: true, noDefaultInfinity: true }),
      profile: fc.constantFrom('web', 'database', 'other', undefined),
    }),
    { minLength: 1, maxLength: 150, selector: ({ server, ms }) => `${server} ${ms}` },
  );
  const asRow = ({
    server,
    ms,
    cpu,
    profile,
  }: {
    server: string;
    ms: number;
    cpu: number;
    profile?: string;
  }) => row(0, cpu, { server_name: server, timestamp: T0 + ms, ...(profile ? { profile } : {}) });

  it('their order makes no difference to the windows', () => {
    const shuffled = anyRows.chain((rows) =>
      fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length })),
    );
    fc.assert(
      fc.property(shuffled, fc.integer({ min: 0, max: 60 }), ([rows, other], maxGapMinutes) => {
        const [one, two] = [rows, other].map((list) =>
          historyOf(
            list.map((item) => asRow(item as never)),
            { maxGapMinutes },
          ).windows(),
        );
        expect(two?.packed).toEqual(one?.packed);
        expect(two?.refused).toEqual(one?.refused);
        expect(two?.servers.map(({ server, start }) => [server, start])).toEqual(
          one?.servers.map(({ server, start }) => [server, start]),
        );
      }),
    );
  });

  it('the windows satisfy the contract: lengths, finite values, codes of the vocabulary', () => {
    fc.assert(
      fc.property(anyRows, fc.integer({ min: 0, max: 60 }), (rows, maxGapMinutes) => {
        const { servers, refused, packed } = historyOf(
          rows.map((item) => asRow(item as never)),
          {
            maxGapMinutes,
          },
        ).windows();
        const { encoderLength, horizon, metrics, categories, known } = smallModel;
        const batch = servers.length;
        expect(batch + refused.length).toBe(new Set(rows.map(({ server }) => server)).size);
        expect(packed.encoderCont).toHaveLength(batch * encoderLength * metrics.length);
        expect(packed.encoderCat).toHaveLength(batch * encoderLength * categories.length);
        expect(packed.decoderCont).toHaveLength(batch * horizon * known.length);
        expect(packed.decoderCat).toHaveLength(batch * horizon * categories.length);
        expect(packed.encoderCont.every(Number.isFinite)).toBe(true);
        expect([...packed.encoderCat, ...packed.decoderCat].every((code) => code >= 0 && code <= 2)).toBe(
          true,
        );
      }),
    );
  });
});

describe('a long life', () => {
  it('forgets a server', () => {
    const history = historyOf([...steps(0, 1, 2, 3), row(3, 1, { server_name: 'b' })]);
    expect(history.forget('a')).toBe(true);
    expect(history.forget('a')).toBe(false);
    expect(history.servers).toEqual(['b']);
    expect(history.windows().refused.map(({ server }) => server)).toEqual(['b']);
  });

  it('forgets servers whose rows stopped coming, and does not list them as refused', () => {
    const history = new FleetHistory(smallModel, { expireAfterMinutes: 60 });
    for (let step = 0; step < 5000; step++) history.add(row(step, 1, { server_name: `pod-${step}` }));
    expect(history.servers.length).toBeLessThanOrEqual(14);
    expect(history.windows().refused.length).toBe(history.servers.length);
    expect(history.rows).toBe(5000);
  });

  it('does not take a clock gone wrong for the end of all others', () => {
    const history = new FleetHistory(smallModel, { expireAfterMinutes: 60 });
    const now = Date.now();
    history.add(row(0, 1, { timestamp: now }));
    history.add(row(0, 1, { server_name: 'b', timestamp: now + 30 * 365 * 86_400_000 }));
    expect(history.servers).toEqual(['a', 'b']);
  });

  it('adds all rows of a body or none, naming the index, the server and the time', () => {
    const history = historyOf(steps(0, 1));
    const bad = { ...row(4, 1), metrics: { cpu: 1 } };
    expect(() => history.addAll([row(2, 2), row(3, 3), bad])).toThrowError(
      expect.objectContaining({
        code: 'ERR_TFT_HISTORY_COLUMN',
        message: expect.stringMatching(/^rows\[2\] \(a at 2026-01-05T23:20Z\): /),
        details: expect.objectContaining({ index: 2 }),
      }),
    );
    expect(history.rows).toBe(2);
    history.addAll([row(2, 2), row(3, 3)]);
    expect(history.windows().servers).toHaveLength(1);
  });

  it.each([
    [{ server: 'a' }, "unknown column 'server'; is server_name meant?"],
    [{ time: 1 }, "unknown column 'time'; is timestamp meant?"],
    [{ metric: {} }, "unknown column 'metric'; is metrics meant?"],
    [{ [smallModel.metrics[0]?.name ?? '']: 1 }, `is metrics.${smallModel.metrics[0]?.name} meant?`],
    [{ colour: 1 }, "unknown column 'colour'"],
  ])('says of %j what was most likely meant', (surplus, message) => {
    expect(() => new FleetHistory(smallModel).add({ ...row(0, 1), ...surplus } as HistoryRow)).toThrow(
      message,
    );
  });

  it('refuses a life of no length', () => {
    expect(() => new FleetHistory(smallModel, { expireAfterMinutes: 0 })).toThrowError(
      expect.objectContaining({ code: 'ERR_TFT_OPTION' }),
    );
  });
});
