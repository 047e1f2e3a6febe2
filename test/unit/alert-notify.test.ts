// Telling of alerts: a receiver that fails, that is slow, that is away; and what each kind is sent.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { AlertBook } from '../../src/fleet/alerts/book.js';
import { Notifier } from '../../src/fleet/alerts/notify/notifier.js';
import { Outbox } from '../../src/fleet/alerts/notify/outbox.js';
import { parseRules } from '../../src/fleet/alerts/rule-file.js';
import { FULL_LABELS, NOW, outlook, rules, STEP_MS, shape } from '../fixtures/alerts.js';

interface Received {
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A receiver that answers with these statuses, the last one for ever; 0 is a connection that breaks. */
async function receiver(...statuses: number[]): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  let answered = 0;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const status = statuses[Math.min(answered++, statuses.length - 1)] as number;
      if (status === 0) return request.socket.destroy();
      if (status < 300)
        received.push({ path: request.url ?? '', headers: request.headers, body: JSON.parse(text) });
      return response.writeHead(status).end('said');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const outboxTo = (url: string, more = {}) =>
  new Outbox<number>({ url, headers: {}, body: (items) => items, pauseMs: 1, ...more });

describe('an outbox', () => {
  it('tries again after failures of the receiver and of the network, and loses nothing', async () => {
    const { url, received } = await receiver(503, 0, 429, 200);
    const problems: string[] = [];
    const outbox = outboxTo(url, { onProblem: (message: string) => problems.push(message) });
    for (const item of [1, 2, 3]) outbox.put(String(item), item);
    await outbox.idle();
    expect(received.flatMap(({ body }) => body)).toEqual([1, 2, 3]);
    expect(outbox.counters).toMatchObject({ waiting: 0, sent: 3, failures: 3, dropped: 0, lastError: null });
    expect(problems).toHaveLength(1);
  });

  it('does not repeat what a receiver refuses for what it is', async () => {
    const { url } = await receiver(400);
    const outbox = outboxTo(url);
    outbox.put('a', 1);
    await outbox.idle();
    expect(outbox.counters).toMatchObject({ waiting: 0, sent: 0, failures: 1, dropped: 1 });
    expect(outbox.counters.lastError).toContain('answered 400: said');
  });

  it('keeps the newest state of each alert and no more than its limit while the receiver is away', async () => {
    const outbox = outboxTo('http://127.0.0.1:1', { capacity: 3, pauseMs: 60_000 });
    for (let round = 0; round < 50; round++) for (const key of ['a', 'b']) outbox.put(key, round);
    expect(outbox.counters.waiting).toBe(2);
    for (const key of ['c', 'd', 'e']) outbox.put(key, 1);
    expect(outbox.counters).toMatchObject({ waiting: 3, dropped: 2 });
    await outbox.close(0);
  });

  it('shows no password of its address', () => {
    expect(outboxTo('http://user:secret@host/path?token=t').counters.url).toBe('http://host/path');
  });
});

describe('a notifier', () => {
  const book = () =>
    new AlertBook(rules('rules: [{name: full, above: 90, for: 1, labels: {team: web}}]'), shape);
  const notifier = (text: string) => {
    const { notify } = parseRules(`rules: [{name: full, above: 90}]\nnotify: ${text}`, 'rules.yaml');
    return new Notifier(notify, { stepMs: STEP_MS, pauseMs: 1 });
  };

  it('sends Alertmanager every firing alert at every run, and its end', async () => {
    const { url, received } = await receiver(200);
    const [alerts, out] = [
      book(),
      notifier(`{alertmanager: [{url: '${url}'}], source: 'http://fleet.example/'}`),
    ];
    alerts.onChange((alert, _rule, at) => {
      if (alert.state === 'resolved') out.resolved(alert, at);
    });
    for (const [step, median] of [95, 95, 50, 50, 50, 50].entries()) {
      const at = NOW + step * STEP_MS;
      alerts.update(outlook([median], { at }));
      out.firing(alerts.firing(), at);
      await out.idle();
    }
    expect(received.map(({ path }) => path)).toEqual(Array(6).fill('/api/v2/alerts'));
    const bodies = received.map(({ body }) => (body as Record<string, unknown>[])[0]);
    expect(bodies.map((alert) => [alert?.startsAt, alert?.endsAt])).toEqual([
      ['2026-01-07T14:00:00.000Z', '2026-01-07T14:20:00.000Z'],
      ['2026-01-07T14:00:00.000Z', '2026-01-07T14:25:00.000Z'],
      ...Array(4).fill(['2026-01-07T14:00:00.000Z', '2026-01-07T14:10:00.000Z']),
    ]);
    expect(bodies[0]).toMatchObject({
      labels: FULL_LABELS,
      annotations: { summary: expect.stringContaining('over 90 %'), earliest: '2026-01-07T14:00:00.000Z' },
      generatorURL: 'http://fleet.example/',
    });
    await out.close();
  });

  it('sends webhooks a firing alert once, again after `repeat`, and its end', async () => {
    const { url, received } = await receiver(200);
    const out = notifier(`{webhooks: [{url: '${url}/hook', headers: {x-key: k}, repeat: 10m}]}`);
    const alerts = book();
    alerts.onChange((alert, _rule, at) => {
      if (alert.state === 'resolved') out.resolved(alert, at);
    });
    for (const [step, median] of [95, 95, 95, 50].entries()) {
      alerts.update(outlook([median], { at: NOW + step * STEP_MS }));
      out.firing(alerts.firing(), NOW + step * STEP_MS);
      await out.idle();
    }
    expect(received.map(({ body }) => (body as { status: string }).status)).toEqual([
      'firing',
      'firing',
      'resolved',
    ]);
    expect(received[0]).toMatchObject({
      path: '/hook',
      headers: { 'x-key': 'k' },
      body: {
        version: '4',
        commonLabels: { alertname: 'full' },
        alerts: [{ status: 'firing', endsAt: '0001-01-01T00:00:00Z' }],
      },
    });
    await out.close();
  });

  it('sends nothing in quiet hours, and afterwards the alerts that still fire', async () => {
    const { url, received } = await receiver(200);
    const out = notifier(`{webhooks: [{url: '${url}'}]}`);
    const quiet = "rules: [{name: full, above: 90, for: 1, quiet: [{from: '13:00', to: '14:10'}]}]";
    const alerts = new AlertBook(rules(quiet), shape);
    const counts: number[] = [];
    for (const step of [0, 1, 2, 3]) {
      alerts.update(outlook([95], { at: NOW + step * STEP_MS }));
      out.firing(alerts.firing(), NOW + step * STEP_MS);
      await out.idle();
      counts.push(received.length);
    }
    expect(counts).toEqual([0, 0, 1, 1]);
    await out.close();
  });
});
