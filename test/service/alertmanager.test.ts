// A real Alertmanager takes our alerts, groups them by our labels, passes them on, and lets them end.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { AlertBook } from '../../src/fleet/alerts/book.js';
import { Notifier } from '../../src/fleet/alerts/notify/notifier.js';
import { FULL_LABELS, outlook, rules, STEP_MS, shape } from '../fixtures/alerts.js';
import { alertmanager, isAlertmanagerHere } from './alertmanager-server.js';
import { until } from './running.js';

test.skipIf(!isAlertmanagerHere)('an alert arrives at an Alertmanager, is passed on, and ends', async () => {
  const passedOn: {
    status: string;
    alerts: { labels: Record<string, string>; annotations: Record<string, string> }[];
  }[] = [];
  const receiver = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      passedOn.push(JSON.parse(text));
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  try {
    await using manager = await alertmanager(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`);
    const book = new AlertBook(rules('rules: [{name: full, above: 90, for: 1, labels: {team: web}}]'), shape);
    const notifier = new Notifier(
      { alertmanager: [{ url: manager.url, headers: {} }], webhooks: [], source: 'http://fleet.example/' },
      { stepMs: STEP_MS, pauseMs: 50 },
    );
    book.onChange((alert, _rule, at) => {
      if (alert.state === 'resolved') notifier.resolved(alert, at);
    });
    const now = Date.now();
    book.update(outlook([80, 95], { at: now }));
    notifier.firing(book.firing(), now);
    await notifier.idle();

    const active = (await (await fetch(`${manager.url}/api/v2/alerts`)).json()) as Record<string, unknown>[];
    expect(active).toHaveLength(1);
    expect(active[0]).toMatchObject({
      labels: FULL_LABELS,
      annotations: { summary: expect.stringMatching(/^web-01: cpu_user_pct over 90 %/) },
      status: { state: 'active' },
      generatorURL: 'http://fleet.example/',
    });
    await until(() => passedOn.some(({ status }) => status === 'firing'));
    expect(passedOn[0]?.alerts[0]?.labels.instance).toBe('web-01');

    // An end in the future has not happened yet.
    await until(() => Date.now() > now + 1_000);
    book.update(outlook([50], { at: now + 1_000 }));
    await notifier.idle();
    await until(() => passedOn.some(({ status }) => status === 'resolved'));
    const left = (await (await fetch(`${manager.url}/api/v2/alerts`)).json()) as unknown[];
    expect(left).toEqual([]);
    await notifier.close();
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
});
