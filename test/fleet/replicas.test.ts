// Replicas: two daemons of the same part of the servers, fed with the same samples. Their alerts are the same ones to an
// Alertmanager, which shows each once, and one replica suffices to keep them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FleetAlerts } from '../../src/fleet/alerts/watch.js';
import { shardOf } from '../../src/fleet/index.js';
import { observedFleet } from '../fixtures/observed-fleet.js';
import { alertmanager, isAlertmanagerHere } from '../service/alertmanager-server.js';
import { ask, until } from '../service/running.js';
import { runningFleet, START, STEP } from './running-fleet.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-replicas-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Running = Awaited<ReturnType<typeof runningFleet>>;

const SERVERS = ['cache', 'db', 'queue', 'search', 'web-1', 'web-2'];
const OURS = SERVERS.filter((server) => shardOf(server, 2) === 2);

/** The file of rules of both replicas. */
function rulesFor(url: string): string {
  const path = join(folder, 'rules.yaml');
  writeFileSync(
    path,
    `rules: [{name: full, above: 300, for: 2, labels: {team: web}}]
notify: {alertmanager: [{url: '${url}'}], source: 'http://fleet.example/'}
`,
  );
  return path;
}

/** The later of two replicas closes its steps three seconds after the first. */
const replica = (rules: string, start: number, graceSeconds = 0) =>
  runningFleet({ rules, shard: '2/2', graceSeconds }, {}, start);

/** Gives a replica a sample of each server, and lets the step close. @param order of the servers. */
async function feed({ url, clock, closeStepOf }: Running, time: number, cpu: number, order = SERVERS) {
  clock.set(time);
  const records = order.map((server_name) => ({
    timestamp: new Date(time).toISOString(),
    server_name,
    profile: 'web_api',
    cpu_user_pct: cpu + SERVERS.indexOf(server_name) / 10,
    net_in_mb_s: 0,
    load_average: 0,
  }));
  const headers = { 'content-type': 'application/json' };
  await ask(`${url}/feed/data`, { body: JSON.stringify({ records }), headers });
  await closeStepOf(time);
}

/** Resolves when the receivers have all alerts. */
async function allSent({ fleet }: Running): Promise<void> {
  await until(() => (fleet.alerts as FleetAlerts).outboxes.every(({ waiting }) => waiting === 0));
}

interface SentAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
}

/** What an Alertmanager would get, request by request. */
async function fakeManager() {
  const requests: SentAlert[][] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      requests.push(JSON.parse(text) as SentAlert[]);
      response.writeHead(200, { connection: 'close' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('both send the same alerts, whatever the order of their samples and the difference of their clocks', async () => {
  await using manager = await fakeManager();
  const rules = rulesFor(manager.url);
  await using one = await replica(rules, START);
  await using other = await replica(rules, START, 3);
  expect(OURS.length).toBeGreaterThan(1);
  const sentBy = async (running: Running, step: number, cpu: number, order?: string[]) => {
    const before = manager.requests.length;
    await feed(running, START + step * STEP, cpu, order);
    await allSent(running);
    // An end may be sent twice.
    const sent = manager.requests.slice(before).flat();
    const newest = new Map(sent.map((alert) => [alert.labels.instance, alert]));
    return OURS.flatMap((server) => newest.get(server) ?? []);
  };
  const reversed = [...SERVERS].reverse();
  for (const [step, cpu] of [34, 34, 35, 0, 0, 0].entries()) {
    const [first, second] = [await sentBy(one, step, cpu), await sentBy(other, step, cpu, reversed)];
    const places = OURS.map((server) =>
      [one, other].map(({ fleet }) => fleet.roster.indexOf(server) as number),
    );
    for (const [mine, theirs] of places) {
      expect(one.fleet.latest.get(mine as number)?.values).toEqual(
        other.fleet.latest.get(theirs as number)?.values,
      );
    }
    expect(first.map(({ labels }) => labels)).toEqual(second.map(({ labels }) => labels));
    expect(first.map(({ annotations }) => annotations)).toEqual(second.map(({ annotations }) => annotations));
    for (const [index, { startsAt }] of first.entries()) {
      expect(Date.parse((second[index] as SentAlert).startsAt) - Date.parse(startsAt)).toBe(3000);
    }
    if (step > 0) expect(first.map(({ labels }) => labels.instance)).toEqual(OURS);
  }
  expect(manager.requests[0]?.[0]?.labels).toEqual({
    alertname: 'full',
    severity: 'warning',
    metric: 'cpu_user_pct',
    instance: OURS[0],
    team: 'web',
  });
  expect(one.fleet.alerts?.state().active).toEqual([]);
});

test.skipIf(!isAlertmanagerHere)(
  'a real Alertmanager shows each alert once, keeps it while one replica is left, and lets it end',
  async () => {
    await using manager = await alertmanager('http://127.0.0.1:1/');
    const rules = rulesFor(manager.url);
    const shown = async () =>
      (await (await fetch(`${manager.url}/api/v2/alerts`)).json()) as {
        fingerprint: string;
        updatedAt: string;
        labels: Record<string, string>;
      }[];
    const names = async () => (await shown()).map(({ labels }) => labels.instance).sort();
    // The alerts end before the present: an end in the future has not happened yet.
    const begin = Date.now() - 5 * STEP;
    await using one = await replica(rules, begin);
    let fingerprints: string[];
    {
      await using other = await replica(rules, begin, 3);
      for (const step of [0, 1]) {
        await feed(one, begin + step * STEP, 34);
        await feed(other, begin + step * STEP, 34);
      }
      for (const running of [one, other]) await allSent(running);
      fingerprints = (await shown()).map(({ fingerprint }) => fingerprint).sort();
    }
    // The other one has stopped, with all its messages sent.
    expect(await names()).toEqual(OURS);
    expect(new Set(fingerprints).size).toBe(OURS.length);
    const updates = async () => new Set((await shown()).map(({ updatedAt }) => updatedAt));
    const before = await updates();
    await feed(one, begin + 2 * STEP, 34);
    await until(async () => [...(await updates())].every((time) => !before.has(time)));
    expect((await shown()).map(({ fingerprint }) => fingerprint).sort()).toEqual(fingerprints);
    for (const step of [3, 4]) await feed(one, begin + step * STEP, 0);
    await until(async () => (await shown()).length === 0);
  },
);

test('the alert about a stale model says which part it comes from: another part must not end it', async () => {
  const quantiles = [0.1, 0.5, 0.9];
  const fleet = observedFleet({ stepMs: STEP, horizon: 4, quantiles, profiles: [] });
  const labelsOf = async (shard: string | undefined) => {
    const alerts = await FleetAlerts.open({
      model: { target: 'cpu', unit: '%', stepMinutes: 15, horizon: 4, quantiles },
      path: undefined,
      threshold: 90,
      shard,
      staleness: () => ({ stale: true, text: 'worse' }),
    });
    await alerts.runEnded(0, fleet);
    return alerts.state().active.map(({ rule, labels }) => [rule, labels]);
  };
  expect(await labelsOf('2/8')).toEqual([['model stale', { shard: '2/8' }]]);
  expect(await labelsOf(undefined)).toEqual([['model stale', {}]]);
});
