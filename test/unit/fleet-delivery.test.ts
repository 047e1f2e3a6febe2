// One request to a receiver, and the pause after a failure.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { Backoff, deliver } from '../../src/fleet/delivery.js';

afterEach(() => {
  vi.useRealTimers();
});

test('the wait that a receiver asks for is read as seconds or a date, at most an hour', async () => {
  const asked: string[] = [];
  const server = createServer((_request, response) => {
    response.writeHead(429, { 'retry-after': asked.shift() }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const waits: (number | undefined)[] = [];
  const list = [
    '7',
    '999999',
    new Date(Date.now() - 5000).toUTCString(),
    'soon',
    new Date(8e14).toUTCString(),
  ];
  for (const value of list) {
    asked.push(value);
    const signal = new AbortController().signal;
    const request = { url, shownUrl: url, headers: () => ({}), body: 'x', timeoutMs: 10_000, signal };
    const { outcome, retryAfterMs } = await deliver(request, (status) => status === 429);
    expect(outcome).toBe('again');
    waits.push(retryAfterMs);
  }
  expect(waits).toEqual([7000, 3_600_000, 0, undefined, 3_600_000]);
  await new Promise((resolve) => server.close(resolve));
});

test('pauses double up to a minute, last as long as asked for, and begin anew after a success', async () => {
  vi.useFakeTimers();
  const backoff = new Backoff(1000);
  const { signal } = new AbortController();
  const pauseOf = async (retryAfterMs?: number) => {
    const begin = Date.now();
    const pause = backoff.pause(signal, retryAfterMs);
    await vi.advanceTimersToNextTimerAsync();
    await pause;
    return Date.now() - begin;
  };
  const pauses: number[] = [];
  for (const asked of [undefined, undefined, 90_000, 10, undefined, undefined, undefined, undefined]) {
    pauses.push(await pauseOf(asked));
  }
  expect(pauses).toEqual([1000, 2000, 90_000, 8000, 16_000, 32_000, 60_000, 60_000]);
  backoff.reset();
  expect(await pauseOf()).toBe(1000);
});

test('a pause ends when what waits is closed', async () => {
  const closing = new AbortController();
  const pause = new Backoff(3_600_000).pause(closing.signal);
  closing.abort();
  await pause;
  await new Backoff(3_600_000).pause(closing.signal);
});
