// The lock that lets one of several processes build: which one gets it, and when its holder counts as dead.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type BuildLock, isDeadLock, tryLock } from '../../src/builder/build-lock.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-lock-'));
  path = join(folder, 'engine.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const isHeld = (result: object): result is BuildLock => 'release' in result;
async function taken(): Promise<BuildLock> {
  const lock = await tryLock(path);
  if (!isHeld(lock)) throw new Error('the lock is not free');
  return lock;
}
const holder = () => JSON.parse(readFileSync(path, 'utf8')) as { pid: number; place: string };
const pretend = (change: object) => writeFileSync(path, JSON.stringify({ ...holder(), ...change }));

describe('a build lock', () => {
  test('has one holder, whose name the others get, until it is released', async () => {
    const lock = await taken();
    const second = await tryLock(path);
    expect(isHeld(second)).toBe(false);
    expect(second).toMatchObject({ heldBy: { pid: process.pid } });
    await lock.release();
    await (await taken()).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('goes to exactly one of many concurrent callers', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => tryLock(path)));
    expect(results.filter(isHeld)).toHaveLength(1);
  });

  test('of a process that has ended is taken over', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await taken();
    pretend({ pid: child.pid });
    expect(await isDeadLock(path)).toBe(true);
    const results = await Promise.all(Array.from({ length: 10 }, () => tryLock(path)));
    expect(results.filter(isHeld)).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(['engine.lock']);
  });

  test('of a process whose number was reused is taken over', async () => {
    await taken();
    pretend({ started: '1' });
    expect(isHeld(await tryLock(path))).toBe(true);
  });

  test('of a process on another machine counts until it is not refreshed for a minute', async () => {
    await taken();
    pretend({ pid: 999_999_999, place: 'another machine' });
    expect(isHeld(await tryLock(path))).toBe(false);
    const before = new Date(Date.now() - 61_000);
    utimesSync(path, before, before);
    expect(isHeld(await tryLock(path))).toBe(true);
  });

  test('of a thread that has ended is taken over, even if its process lives', async () => {
    await taken();
    const before = new Date(Date.now() - 61_000);
    utimesSync(path, before, before);
    expect(isHeld(await tryLock(path))).toBe(true);
  });

  test('that is damaged does not block forever', async () => {
    writeFileSync(path, 'no lock');
    expect(await tryLock(path)).toEqual({ heldBy: undefined });
    const before = new Date(Date.now() - 61_000);
    utimesSync(path, before, before);
    expect(isHeld(await tryLock(path))).toBe(true);
  });

  test('that was taken over is not released by its first holder', async () => {
    const first = await taken();
    pretend({ pid: 999_999_999 });
    const second = await taken();
    await first.release();
    expect(readdirSync(folder)).toEqual(['engine.lock']);
    await second.release();
    expect(readdirSync(folder)).toEqual([]);
  });
});
