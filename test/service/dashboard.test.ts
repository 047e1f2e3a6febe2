// The dashboard and the alert rules that come with the service, tested with a real Prometheus that has scraped it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { isPrometheusHere, KEY_OF_PROMETHEUS, prometheus } from './prometheus-server.js';
import { ask, inferJson, running, until } from './running.js';

const docker = fileURLToPath(new URL('../../docker/', import.meta.url));
const rulesFile = `${docker}prometheus/rules.yaml`;
const isPromtoolHere = spawnSync('promtool', ['--version']).error === undefined;

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

function dashboard(): { title: string; expr: string }[] {
  const { panels } = JSON.parse(readFileSync(`${docker}grafana/dashboards/tft-tensorrt.json`, 'utf8')) as {
    panels: readonly Panel[];
  };
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
}

/** The metrics that an expression reads. */
function metricsIn(expression: string): string[] {
  return [...expression.replace(/"[^"]*"/g, '').matchAll(/\b(?:nv|tft|process|nodejs|up)(?:_\w+|\b)/g)].map(
    ([name]) => name,
  );
}

/** The expressions of the rules; what YAML folds is joined. */
function ruleExpressions(): string[] {
  const text = readFileSync(rulesFile, 'utf8').replace(/\n {10}(?=\S)/g, ' ');
  return [...text.matchAll(/^ +expr: (?:>-\s*)?(.*)$/gm)].map(([, expression]) => expression as string);
}

test.skipIf(!isPromtoolHere)('promtool finds the alert rules right, and they fire when they should', () => {
  for (const args of [
    ['check', 'rules', rulesFile],
    ['test', 'rules', rulesFile.replace('rules.yaml', 'rules.test.yaml')],
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /);
  }
});

test('every metric that the dashboard and the rules read is one that the service has', async () => {
  // One thread: with two a batch of three is run in two parts.
  await using tiny = await running({ threads: 1 });
  const metrics = async () => (await ask(`${tiny.url}/metrics`)).bytes.toString();
  const value = (text: string, name: string) => {
    const found = text.split('\n').find((line) => line.startsWith(`${name} `));
    return Number(found?.slice(name.length + 1));
  };
  const before = await metrics();
  await ask(`${tiny.url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(3)) });
  await ask(`${tiny.url}/predict`, { body: '{}' });
  const text = await metrics();
  const expressions = [...dashboard().map(({ expr }) => expr), ...ruleExpressions()];
  expect(expressions.length).toBeGreaterThan(30);
  const absent = new Set(
    expressions.flatMap(metricsIn).filter((name) => name !== 'up' && !text.includes(`\n${name}`)),
  );
  expect([...absent]).toEqual([]);
  // The service's own warm-up counts too.
  const gained = (name: string) => value(text, name) - value(before, name);
  const labels = 'model="tiny",version="1"';
  expect(gained(`tft_batch_series_bucket{le="4",${labels}}`)).toBe(1);
  expect(gained(`tft_batch_series_bucket{le="2",${labels}}`)).toBe(0);
  expect(gained(`tft_batch_series_sum{${labels}}`)).toBe(3);
  expect(gained(`tft_inference_duration_seconds_count{${labels}}`)).toBe(1);
  expect(gained(`tft_inference_duration_seconds_sum{${labels}}`)).toBeGreaterThan(0);
});

describe.skipIf(!isPrometheusHere)('a real Prometheus', () => {
  test('has an answer to every query of the dashboard', async () => {
    await using tiny = await running({ apiKeys: [KEY_OF_PROMETHEUS] });
    await using server = await prometheus(tiny.url.replace('http://', ''));
    const headers = { 'x-api-key': KEY_OF_PROMETHEUS };
    const work = async () => {
      await ask(`${tiny.url}/v2/models/tiny/infer`, { headers, body: inferJson(constantInputs(2)) });
      await ask(`${tiny.url}/predict`, { headers, body: '{}' });
    };
    const left = new Set(dashboard().map(({ expr }) => expr.replaceAll('$__rate_interval', '10s')));
    expect(left.size).toBeGreaterThan(20);
    await until(async () => {
      await work();
      for (const expression of left) {
        const value = await server.value(expression);
        // NaN is an answer: nothing was divided by nothing.
        if (value !== undefined) left.delete(expression);
      }
      return left.size === 0;
    });
    expect([...left]).toEqual([]);
  });
});
