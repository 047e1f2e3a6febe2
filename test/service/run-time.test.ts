// The estimate of a queue's time for each series, by observations whose times the test makes.
import { expect, test } from 'vitest';
import { RunTime } from '../../src/service/admission/run-time.js';

/** An engine that is observed every 10 ms. */
class Engine {
  now = 1000;
  servers = 0;
  busyMicroseconds = 0;
  waitingServers = 0;
  readonly runTime: RunTime;

  constructor(readonly lanes: number) {
    this.runTime = new RunTime(lanes);
  }

  /** Forecasts for this long: so many series in 10 ms, of which all lanes ran this part. */
  run(milliseconds: number, series: number, busyPart = 1): number {
    let each = 0;
    for (const end = this.now + milliseconds; this.now < end; ) {
      this.now += 10;
      this.servers += series;
      this.busyMicroseconds += 10_000 * this.lanes * busyPart;
      each = this.runTime.observe(this.now, this);
    }
    return each;
  }
}

test('nothing is known before a forecast has run; then the first one counts', () => {
  const engine = new Engine(1);
  expect(engine.runTime.observe(engine.now, engine)).toBe(0);
  engine.run(10, 1);
  expect(engine.runTime.observe(engine.now, engine)).toBe(10);
});

test('several lanes share the series', () => {
  const engine = new Engine(4);
  // 40 ms of runs for 20 series every 10 ms.
  expect(engine.run(1000, 20)).toBeCloseTo(0.5);
});

test('the last moments count, not all since the start', () => {
  const engine = new Engine(2);
  expect(engine.run(60_000, 10)).toBeCloseTo(1);
  expect(engine.run(10_000, 5)).toBeCloseTo(2);
  expect(engine.run(10_000, 10)).toBeCloseTo(1);
});

test('a moment that was quick or slow by chance counts little', () => {
  const engine = new Engine(1);
  engine.run(1000, 10);
  expect(engine.run(100, 30)).toBeGreaterThan(0.8);
  engine.run(10_000, 10);
  expect(engine.run(100, 2)).toBeLessThan(2.1);
});

test('with a queue that is never empty, the time between the runs counts too', () => {
  const engine = new Engine(1);
  expect(engine.run(10_000, 10, 0.5)).toBeCloseTo(0.5);
  engine.waitingServers = 100;
  expect(engine.run(10_000, 10, 0.5)).toBeCloseTo(1);
  engine.waitingServers = 0;
  expect(engine.run(10_000, 10, 0.5)).toBeCloseTo(0.5);
});

test('a pause without requests is not taken for slowness', () => {
  const engine = new Engine(1);
  engine.waitingServers = 5;
  expect(engine.run(1000, 10)).toBeCloseTo(1);
  engine.now += 60_000;
  engine.servers += 16;
  engine.busyMicroseconds += 16_000;
  expect(engine.runTime.observe(engine.now, engine)).toBeCloseTo(1);
});

test('while nothing ends, the last estimate stays', () => {
  const engine = new Engine(1);
  engine.waitingServers = 5;
  engine.run(1000, 10);
  // The window that has begun ends.
  const last = engine.run(100, 0);
  expect(last).toBeLessThan(2.5);
  engine.waitingServers = 500;
  expect(engine.run(5000, 0)).toBe(last);
});
