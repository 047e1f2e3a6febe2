// What was accepted is there after the process ended without a word: the daemon is left as it is, and another one is
// started on its folder.
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Fleet } from '../../src/fleet/index.js';
import { runningFleet, START, STEP } from './running-fleet.js';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'tft-fleet-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

function take(fleet: Fleet, server: string, time: number, value: number): string {
  const values = fleet.model.metrics.map((_, index) => value + index);
  return fleet.intake.take({ server, time, values, categories: ['web_api', 'healthy'], isRecord: true });
}

/** The target of a step in memory. */
function held(fleet: Fleet, server: string, time: number): number {
  const place = fleet.roster.indexOf(server) as number;
  const { values } = fleet.ring.copyStep(Math.round(time / STEP), fleet.roster.places);
  return values[place * fleet.ring.shape.metrics + fleet.targetIndex] as number;
}

test('a server that is silent for longer than a window keeps its place over a restart, until the retention time is over', async () => {
  const settings = { data, retentionDays: 1 };
  let time = START;
  {
    await using first = await runningFleet(settings);
    expect(take(first.fleet, 'quiet', time, 1)).toBe('accepted');
    for (let step = 0; step < 20; step++, time += STEP) {
      first.clock.set(time);
      expect(take(first.fleet, 'other', time, 2)).toBe('accepted');
      await first.closeStepOf(time);
    }
  }
  await using second = await runningFleet(settings, {}, time);
  await second.closeStepOf(time);
  expect(second.fleet.roster.indexOf('quiet')).toBe(0);
  for (let step = 1; step <= 110; step++) await second.closeStepOf(time + step * STEP);
  expect(second.fleet.roster.indexOf('quiet')).toBeUndefined();
});

test('samples of closed steps, of the open one and late ones are there again', async () => {
  await using first = await runningFleet({ data });
  for (let step = 0; step < 6; step++) {
    first.clock.set(START + step * STEP);
    expect(take(first.fleet, 'a', START + step * STEP, 10 * step)).toBe('accepted');
    if (step !== 2) expect(take(first.fleet, 'b', START + step * STEP, 5)).toBe('accepted');
    expect(await first.fleet.accepted()).toBe(true);
    if (step < 5) await first.closeStepOf(START + step * STEP);
  }
  expect(take(first.fleet, 'b', START + 2 * STEP, 77)).toBe('accepted');
  expect(take(first.fleet, 'new', START + 5 * STEP, 33)).toBe('accepted');
  expect(await first.fleet.accepted()).toBe(true);

  await using second = await runningFleet({ data }, {}, START + 5 * STEP);
  for (let step = 0; step < 6; step++) expect(held(second.fleet, 'a', START + step * STEP)).toBe(10 * step);
  expect(held(second.fleet, 'b', START + 2 * STEP)).toBe(77);
  expect(held(second.fleet, 'new', START + 5 * STEP)).toBe(33);
  expect(second.fleet.roster.at(second.fleet.roster.indexOf('new') as number)?.profile).toBe('web_api');
  // A client that had no answer sends again.
  expect(take(second.fleet, 'a', START + 5 * STEP, 50)).toBe('repeated');
  // What was late is folded into its step, and its file goes when later steps have closed.
  for (let step = 5; step < 9; step++) await second.closeStepOf(START + step * STEP);
  const stored = second.fleet.keeper.store.readServer(
    second.fleet.roster.indexOf('b') as number,
    Math.round(START / STEP) + 2,
    Math.round(START / STEP) + 3,
  );
  expect(stored[0]).toBe(77);
  expect(readdirSync(join(data, 'samples')).length).toBeLessThanOrEqual(3);
});

test('a frame that is cut off was never accepted, and hides nothing that comes after it', async () => {
  await using first = await runningFleet({ data });
  take(first.fleet, 'a', START, 1);
  await first.fleet.accepted();
  const [file = ''] = readdirSync(join(data, 'samples'));
  appendFileSync(join(data, 'samples', file), Buffer.from([200, 0, 0, 0, 1, 2, 3, 4, 5]));
  await using second = await runningFleet({ data });
  expect(held(second.fleet, 'a', START)).toBe(1);
  take(second.fleet, 'a', START + 60_000, 3);
  await second.fleet.accepted();
  await using third = await runningFleet({ data });
  expect(held(third.fleet, 'a', START)).toBe(2);
});

test('when the store cannot be written, that is said and forecasts are made', async () => {
  await using running = await runningFleet({ data });
  const { fleet } = running;
  fleet.keeper.store.putStep = () => Promise.reject(new Error('ENOSPC: no space left on device'));
  for (let step = 0; step < 6; step++) {
    running.clock.set(START + step * STEP);
    take(fleet, 'a', START + step * STEP, 10);
    await running.closeStepOf(START + step * STEP);
  }
  expect(fleet.keeper.status).toMatchObject({ healthy: false, problem: 'ENOSPC: no space left on device' });
  expect(fleet.latest.get(0)?.step).toBe(Math.round(START / STEP) + 5);
});

test("a folder with another model's history is refused", async () => {
  await using running = await runningFleet({ data });
  expect(running.fleet.keeper.status?.healthy).toBe(true);
  const { demo } = { demo: new URL('../../models/demo', import.meta.url).pathname };
  await expect(runningFleet({ data }, { model: demo })).rejects.toMatchObject({ code: 'ERR_TFT_OPTION' });
});

/** A file system of 4 MB, where this process may mount one. */
function mountSmall(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'tft-small-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  if (status === 0) return folder;
  rmSync(folder, { recursive: true });
  console.warn('skipped: no file system can be mounted here');
  return undefined;
}

test('a full disk is reported, forecasts are made, and the missed steps are stored once there is room', async (context) => {
  const small = mountSmall();
  if (small === undefined) return context.skip();
  try {
    await using running = await runningFleet({ data: join(small, 'data') });
    const { fleet } = running;
    const closeStep = async (step: number) => {
      running.clock.set(START + step * STEP);
      take(fleet, 'a', START + step * STEP, step);
      const isSafe = await fleet.accepted();
      await running.closeStepOf(START + step * STEP);
      return isSafe;
    };
    expect(await closeStep(0)).toBe(true);
    const filler = openSync(join(small, 'filler'), 'w');
    try {
      for (const bytes = Buffer.alloc(4096); ; ) writeSync(filler, bytes);
    } catch {
      // It is full.
    }
    closeSync(filler);
    // LMDB may still have free pages; 5,000 servers more find none.
    for (let server = 0; server < 5000; server++) take(fleet, `full-${server}`, START + STEP, server);
    expect(await closeStep(1)).toBe(false);
    expect(fleet.keeper.status).toMatchObject({ healthy: false });
    expect(fleet.latest.get(fleet.roster.indexOf('a') as number)?.step).toBe(Math.round(START / STEP) + 1);
    rmSync(join(small, 'filler'));
    expect(await closeStep(2)).toBe(true);
    expect(fleet.keeper.status).toMatchObject({ healthy: true });
    const first = Math.round(START / STEP);
    const place = fleet.roster.indexOf('a') as number;
    const kept = fleet.keeper.store.readServer(place, first, first + 3);
    expect([kept[0], kept[3], kept[6]]).toEqual([0, 1, 2]);
  } finally {
    spawnSync('umount', ['-l', small]);
    rmSync(small, { recursive: true, force: true });
  }
});
