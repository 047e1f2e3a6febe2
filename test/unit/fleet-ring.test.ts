// The daemon's history in memory, compared with FleetHistory, which makes the windows of `tft predict` from the same rows.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encoderLengthsOf } from '../../src/contract/inputs.js';
import type { SizedModel } from '../../src/contract/tensors.js';
import { ReplayClock } from '../../src/fleet/clock.js';
import { Intake } from '../../src/fleet/ingest/intake.js';
import { WindowBatch } from '../../src/fleet/memory/gather.js';
import { FleetRing } from '../../src/fleet/memory/ring.js';
import { Roster } from '../../src/fleet/memory/roster.js';
import type { FleetModel } from '../../src/fleet/memory/shape.js';
import { historyShape } from '../../src/fleet/memory/shape.js';
import { standingOf } from '../../src/fleet/standing.js';
import { FleetHistory } from '../../src/index.js';
import { smallModel } from '../fixtures/small-model.js';

const STEP = 300_000;
const NOON = Date.UTC(2026, 0, 31, 12);
const OPEN = NOON / STEP;
const MAX_GAP_MINUTES = 10;
const model = { ...smallModel, name: 'small', target: 'cpu', quantiles: [0.1, 0.5, 0.9] } as FleetModel;
const shape = historyShape(model, MAX_GAP_MINUTES);
const rules = { warmUpSteps: 1, allowSparse: false };

function makeFleet({ limit = 100, clock = new ReplayClock(NOON) } = {}) {
  const ring = new FleetRing(shape, OPEN);
  const roster = new Roster(limit);
  const intake = new Intake(model, ring, roster, { clock, futureMs: 60_000, isMine: () => true });
  const take = (server: string, time: number, cpu: number, net = 1, isRecord = true) =>
    intake.take({ server, time, values: [cpu, net], categories: ['web', 'healthy'], isRecord });
  return { ring, roster, intake, take, clock };
}

/** The window that ends with a step, as the engine would get it. */
function windowOf({ ring, roster }: ReturnType<typeof makeFleet>, server: string, end: number) {
  const place = roster.indexOf(server) as number;
  const standing = standingOf(ring, end, place, rules);
  const batch = new WindowBatch(model, 2);
  return { standing, inputs: batch.gather(ring, end, [place], [standing.first]) };
}

const rows = fc.array(
  fc.record({
    server: fc.constantFrom('a', 'b', 'c'),
    // Seconds of the last 14 steps: the window, the longest gap before it, and what is older.
    second: fc.integer({ min: -14 * 300, max: 0 }),
    cpu: fc.integer({ min: 0, max: 100 }),
    net: fc.integer({ min: 0, max: 50 }),
  }),
  { minLength: 20, maxLength: 120 },
);

test('windows are those of a history file with the same rows, in whatever order they come', () => {
  let compared = 0;
  fc.assert(
    fc.property(rows, (list) => {
      const fleet = makeFleet();
      const history = new FleetHistory(model, { maxGapMinutes: MAX_GAP_MINUTES });
      const seen = new Set<string>();
      for (const { server, second, cpu, net } of list) {
        const time = NOON + second * 1000;
        // Of two records of one second the daemon keeps the first, a file the last: not what is compared here.
        if (seen.has(`${server}${second}`)) continue;
        seen.add(`${server}${second}`);
        // Steps that are long closed take one sample: where there are more, the daemon has the first alone.
        const step = `${server} ${Math.round(time / STEP)}`;
        if (time / STEP < fleet.ring.newest - MAX_GAP_MINUTES / 5 - 3.5 && seen.has(step)) continue;
        seen.add(step);
        fleet.take(server, time, cpu, net);
        history.add({
          timestamp: time,
          server_name: server,
          profile: 'web',
          status: 'healthy',
          metrics: { cpu, net },
        });
      }
      if (history.rows === 0) return;
      for (const { server, inputs } of history.windows({ at: NOON }).servers) {
        const found = windowOf(fleet, server, OPEN);
        expect(found.standing).toMatchObject({ canForecast: true, first: 0 });
        expect(found.inputs.encoderCat).toEqual(inputs.encoderCat);
        expect(found.inputs.decoderCat).toEqual(inputs.decoderCat);
        expect(found.inputs.decoderCont).toEqual(inputs.decoderCont);
        for (const [index, value] of inputs.encoderCont.entries()) {
          expect(found.inputs.encoderCont[index]).toBeCloseTo(value, 4);
        }
        compared++;
      }
    }),
    { numRuns: 300 },
  );
  expect(compared).toBeGreaterThan(50);
});

test('a window is the same wherever the end of the ring falls in it', () => {
  const fleet = makeFleet();
  for (let step = OPEN - 3; step <= OPEN + 20; step++) {
    fleet.clock.set(step * STEP);
    fleet.ring.advance(step);
    // Of every fourth step nothing comes.
    if (step % 4 !== 0) fleet.take('a', step * STEP, step % 64, step % 32);
    if (step < OPEN + 5) continue;
    const { inputs } = windowOf(fleet, 'a', step);
    const steps = [step - 3, step - 2, step - 1, step].map((each) => (each % 4 === 0 ? each - 1 : each));
    expect([...inputs.encoderCont]).toEqual(steps.flatMap((each) => [each % 64, each % 32]));
  }
});

test('the order in which samples of a step come does not matter to its mean', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([1, 5, 9, 60, 100, 120], { minLength: 1 }), (seconds) => {
      const fleet = makeFleet();
      for (const second of seconds) fleet.take('a', NOON + second * 1000 - 100_000, second);
      const mean = seconds.reduce((sum, second) => sum + second, 0) / seconds.length;
      expect(windowOf(fleet, 'a', OPEN).inputs.encoderCont.at(-2)).toBeCloseTo(mean, 3);
    }),
  );
});

test('a record that comes again counts once', () => {
  const fleet = makeFleet();
  expect(fleet.take('a', NOON, 10)).toBe('accepted');
  expect(fleet.take('a', NOON, 10)).toBe('repeated');
  expect(fleet.take('a', NOON + 5000, 30)).toBe('accepted');
  expect(windowOf(fleet, 'a', OPEN).inputs.encoderCont.at(-2)).toBe(20);
  expect(fleet.intake.counters).toMatchObject({ accepted: 2, merged: 1, repeated: 1 });
});

test('samples of the future, of long ago, without numbers and of too many servers are refused, each by its reason', () => {
  const fleet = makeFleet({ limit: 1 });
  expect(fleet.take('a', NOON + 61_000, 10)).toBe('future');
  expect(fleet.take('a', NOON - 10 * STEP, 10)).toBe('tooOld');
  expect(fleet.take('a', NOON, Number.NaN, Number.NaN)).toBe('invalid');
  expect(fleet.take('a', NOON, Number.POSITIVE_INFINITY)).toBe('invalid');
  expect(fleet.take('a', Number.NaN, 1)).toBe('invalid');
  expect(fleet.take('bell\u0007', NOON, 1)).toBe('invalid');
  expect(fleet.take('a', NOON, 10)).toBe('accepted');
  expect(fleet.take('b', NOON, 10)).toBe('flooded');
  expect(fleet.roster.count).toBe(1);
});

test('metrics that come one by one make a step when the last of them is there', () => {
  const fleet = makeFleet();
  for (let step = OPEN - 3; step <= OPEN; step++) fleet.take('a', step * STEP, 7, Number.NaN, false);
  expect(windowOf(fleet, 'a', OPEN).standing.canForecast).toBe(false);
  for (let step = OPEN - 3; step <= OPEN; step++) fleet.take('a', step * STEP, Number.NaN, 3, false);
  const { standing, inputs } = windowOf(fleet, 'a', OPEN);
  expect(standing.state).toBe('ready');
  expect([...inputs.encoderCont]).toEqual([7, 3, 7, 3, 7, 3, 7, 3]);
});

test.each([
  [1, 2],
  [3, 3],
  [9, 4],
])('of a model that takes 2 to 4 steps, a server with samples of %i steps has %i', (samples, steps) => {
  const several: FleetModel & SizedModel = {
    ...model,
    minEncoderLength: 2,
    inputs: [{ name: 'encoder_lengths', type: 'int32', shape: ['batch', 1, 1] }],
  };
  const fleet = makeFleet();
  for (let step = OPEN - samples + 1; step <= OPEN; step++) fleet.take('a', step * STEP, 7);
  const place = fleet.roster.indexOf('a') as number;
  const { first } = standingOf(fleet.ring, OPEN, place, rules);
  const inputs = new WindowBatch(several, 2).gather(fleet.ring, OPEN, [place], [first]);
  expect(encoderLengthsOf(inputs)).toEqual(Int32Array.of(steps));
});

test('a server that is new is warming up; one that was silent for longer than a gap is stale, and warms up again', () => {
  const fleet = makeFleet();
  fleet.take('a', NOON, 10);
  expect(windowOf(fleet, 'a', OPEN).standing).toMatchObject({ state: 'warming-up', first: 3 });
  expect([...windowOf(fleet, 'a', OPEN).inputs.encoderCont]).toEqual([10, 1, 10, 1, 10, 1, 10, 1]);
  fleet.clock.set(NOON + 3 * STEP);
  fleet.ring.advance(OPEN + 3);
  expect(windowOf(fleet, 'a', OPEN + 2).standing).toMatchObject({ state: 'warming-up', canForecast: true });
  expect(windowOf(fleet, 'a', OPEN + 3).standing).toMatchObject({ state: 'stale', canForecast: false });
  fleet.clock.set(NOON + 4 * STEP);
  fleet.ring.advance(OPEN + 4);
  fleet.take('a', NOON + 4 * STEP, 50);
  expect(windowOf(fleet, 'a', OPEN + 4).standing).toMatchObject({ state: 'warming-up', first: 3 });
});

test('what falls out of the ring is forgotten, also after a leap of time', () => {
  const fleet = makeFleet();
  for (let step = OPEN - 3; step <= OPEN; step++) fleet.take('a', step * STEP, 10);
  fleet.ring.advance(OPEN + 1000);
  const place = fleet.roster.indexOf('a') as number;
  for (let end = fleet.ring.oldest + 5; end <= fleet.ring.newest; end++) {
    expect(standingOf(fleet.ring, end, place, rules).canForecast).toBe(false);
  }
});

test.each([
  ['a week', { stepMinutes: 7 * 1440 }],
  ['two weeks', { stepMinutes: 14 * 1440 }],
  ['a month', { stepMinutes: 43_830, stepMonths: 1 }],
])('steps of %s are refused, which are no multiples since 1970', (length, steps) => {
  expect(() => historyShape({ ...model, ...steps }, MAX_GAP_MINUTES)).toThrowError(
    expect.objectContaining({
      code: 'ERR_TFT_UNSUPPORTED',
      message: expect.stringContaining(
        length === 'a month' ? 'it reads steps of months.' : 'it reads steps of weeks.',
      ),
    }),
  );
});

test.each([60, 1440, 8 * 1440])('steps of %i minutes are taken', (stepMinutes) => {
  expect(historyShape({ ...model, stepMinutes }, MAX_GAP_MINUTES).stepMs).toBe(stepMinutes * 60_000);
});

test('after the clock was set back, samples of the right time are taken', () => {
  const clock = new ReplayClock(NOON);
  const fleet = makeFleet({ clock });
  fleet.ring.advance(OPEN + 50);
  fleet.ring.rewind(OPEN);
  expect(fleet.take('a', NOON, 10)).toBe('accepted');
  expect(windowOf(fleet, 'a', OPEN).inputs.encoderCont.at(-2)).toBe(10);
});
