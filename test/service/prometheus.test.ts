// A real Prometheus scrapes the service, with a key, and answers questions about it.
import { expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { isPrometheusHere, KEY_OF_PROMETHEUS, prometheus } from './prometheus-server.js';
import { ask, inferJson, running, until } from './running.js';

test.skipIf(!isPrometheusHere)('Prometheus scrapes the service and knows how much it has done', async () => {
  await using tiny = await running({ apiKeys: [KEY_OF_PROMETHEUS] });
  await using server = await prometheus(tiny.url.replace('http://', ''));
  const requests = 'nv_inference_request_success{model="tiny",version="1"}';
  const servers = 'nv_inference_count{model="tiny",version="1"}';
  await until(async () => (await server.value(servers)) !== undefined);
  // The service's own warm-up counts too.
  const before = {
    requests: (await server.value(requests)) ?? 0,
    servers: (await server.value(servers)) ?? 0,
  };
  for (let index = 0; index < 3; index++) {
    const body = inferJson(constantInputs(4));
    const { status } = await ask(`${tiny.url}/v2/models/tiny/infer`, {
      body,
      headers: { 'x-api-key': KEY_OF_PROMETHEUS },
    });
    expect(status).toBe(200);
  }
  await until(async () => (await server.value(requests)) === before.requests + 3);
  expect(await server.value(servers)).toBe(before.servers + 12);
  expect(await server.value('up')).toBe(1);
  expect(await server.value('tft_ready')).toBe(1);
  const latency = 'histogram_quantile(0.99, tft_http_request_duration_seconds_bucket{route=~".*infer"})';
  expect(await server.value(latency)).toBeGreaterThan(0);
  const targets = (await server.get('/api/v1/targets'))?.data as {
    activeTargets: { health: string; lastError: string }[];
  };
  expect(targets.activeTargets.map(({ health, lastError }) => [health, lastError])).toEqual([['up', '']]);
});
