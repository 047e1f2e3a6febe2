// What operators of the service see: metrics, logs, spans, the API's description.
import { spawnSync } from 'node:child_process';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import * as schemas from '../../src/service/http/schemas.js';
import { constantInputs } from '../fixtures/bundles.js';
import { isCpp } from './cpp-server.js';
import { ask, inferJson, predictBody, type Running, running, until } from './running.js';

let tiny: Running;
beforeAll(async () => {
  tiny = await running({ accessLog: true, threads: 1 });
});
afterAll(() => tiny[Symbol.asyncDispose]());

const promtool = spawnSync('promtool', ['--version']).error === undefined;
if (!promtool) console.warn("skipped: promtool is not installed (Debian's package prometheus)");

async function metrics(): Promise<string> {
  return (await ask(`${tiny.url}/metrics`)).bytes.toString();
}

test("metrics have Triton's names and labels, and count what was done", async () => {
  const read = async (name: string, labels = 'model="tiny",version="1"') =>
    Number(
      (await metrics())
        .split('\n')
        .find((line) => line.startsWith(`${name}{${labels}} `))
        ?.split(' ')
        .at(-1),
    );
  const names = [
    'nv_inference_request_success',
    'nv_inference_count',
    'nv_inference_exec_count',
    'nv_inference_request_duration_us',
    'nv_inference_queue_duration_us',
    'nv_inference_compute_input_duration_us',
    'nv_inference_compute_infer_duration_us',
    'nv_inference_compute_output_duration_us',
    'nv_inference_pending_request_count',
  ];
  const before = await Promise.all(names.map((name) => read(name)));
  const invalid = 'model="tiny",version="1",reason="OTHER"';
  const refused = await read('nv_inference_request_failure', invalid);
  for (let index = 0; index < 3; index++) {
    await ask(`${tiny.url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(4)) });
  }
  await ask(`${tiny.url}/v2/models/tiny/infer`, { body: '{}' });
  const after = await Promise.all(names.map((name) => read(name)));
  const grown = after.map((value, index) => value - (before[index] ?? 0));
  expect(grown.slice(0, 3)).toEqual([3, 12, 3]);
  expect(grown[6]).toBeGreaterThan(0);
  expect(grown[3]).toBeGreaterThanOrEqual(grown[6] ?? 0);
  expect(grown[8]).toBe(0);
  expect(await read('nv_inference_request_failure', invalid)).toBe(refused + 1);
});

test("metrics have the service's own and the process's", async () => {
  const text = await metrics();
  for (const name of [
    'tft_http_requests_total',
    'tft_http_request_duration_seconds_bucket',
    'tft_http_refusals_total',
    ...(isCpp ? [] : ['tft_event_loop_delay_seconds_bucket', 'nodejs_heap_size_used_bytes']),
    'tft_http_connections',
    'tft_queue_limit_servers 4096',
    'tft_ready 1',
    'tft_model_info{model="tiny",version="1",backend="onnxruntime"',
    'process_resident_memory_bytes',
  ]) {
    expect(text).toContain(name);
  }
});

test.skipIf(!promtool)("promtool finds no fault but in Triton's names", async () => {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: await metrics() });
  const complaints = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('nv_inference_'));
  expect(complaints).toEqual([]);
});

test('a client that prefers OpenMetrics gets it, all others the text format', async () => {
  const get = (accept?: string) =>
    ask(`${tiny.url}/metrics`, { headers: accept === undefined ? {} : { accept } });
  const prometheus =
    'application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3';
  for (const accept of [undefined, '*/*', 'text/plain', 'text/plain, application/openmetrics-text;q=0.5']) {
    expect((await get(accept)).headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  }
  const { headers, bytes } = await get(prometheus);
  expect(headers['content-type']).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
  const lines = bytes.toString().trimEnd().split('\n');
  expect(lines.at(-1)).toBe('# EOF');
  expect(lines).toContain('# TYPE tft_http_requests counter');
  // Triton's names have no _total, and dashboards ask for them as they are.
  expect(lines).toContain('# TYPE nv_inference_count unknown');
  expect(lines.some((line) => line.startsWith('nv_inference_count{'))).toBe(true);
  const counters = lines.flatMap((line) => /^# TYPE (\S+) counter$/.exec(line)?.[1] ?? []);
  for (const family of counters) {
    const samples = lines.filter((line) => line.startsWith(family) && !line.startsWith('#'));
    for (const sample of samples.filter((line) => /^[^{ ]+/.exec(line)?.[0] === family)) {
      throw new Error(`a counter's sample without _total: ${sample}`);
    }
  }
});

test('the log has a line for each request with its id, and for a refusal its code', async () => {
  await ask(`${tiny.url}/v2`, { headers: { 'x-request-id': 'seen-1' } });
  await ask(`${tiny.url}/v2/models/none`, { headers: { 'x-request-id': 'seen-2' } });
  const find = (id: string) => tiny.log.find(({ requestId }) => requestId === id);
  await until(() => find('seen-2') !== undefined);
  expect(find('seen-1')).toMatchObject({ level: 'info', route: '/v2', status: 200, ms: expect.any(Number) });
  expect(find('seen-2')).toMatchObject({
    status: 404,
    code: 'ERR_TFT_HTTP_MODEL',
    route: '/v2/models/:model',
  });
});

// The server in C++ has neither spans nor pages of documentation.
test.skipIf(isCpp)(
  'with an SDK registered each request is a span, and its steps are spans within',
  async () => {
    const exporter = new InMemorySpanExporter();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    try {
      await using traced = await running();
      exporter.reset();
      await ask(`${traced.url}/predict`, { body: JSON.stringify(predictBody(constantInputs(1))) });
      await until(() => exporter.getFinishedSpans().some(({ name }) => name === 'POST /predict'));
      const spans = exporter.getFinishedSpans();
      const request = spans.find(({ name }) => name === 'POST /predict');
      expect(request?.attributes).toMatchObject({
        'http.route': '/predict',
        'http.response.status_code': 200,
      });
      for (const step of ['read', 'forecast', 'answer']) {
        const span = spans.find(({ name }) => name === step);
        expect(span?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
      }
    } finally {
      trace.disable();
      context.disable();
    }
  },
);

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: { $ref?: string } }> }> }>
  >;
  components: { schemas: Record<string, unknown> };
}

test.skipIf(isCpp)(
  'the OpenAPI document describes every path, and real answers are what it says',
  async () => {
    const document = (await ask(`${tiny.url}/openapi.json`)).json as unknown as Document;
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/predict',
        '/v2/models/{model}/infer',
        '/v2/health/ready',
        '/metrics',
        '/docs',
      ]),
    );
    const references = JSON.stringify(document).match(/"#[^"]*/g) ?? [];
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references) {
      const [, name] = /^"#\/components\/schemas\/(\w+)$/.exec(reference) ?? [];
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    const answers: [path: string, schema: z.ZodType, body?: string][] = [
      ['/v2', schemas.serverMetadata],
      ['/v2/models/tiny', schemas.modelMetadata],
      ['/v2/models/tiny/config', schemas.modelConfig],
      ['/v2/models/tiny/stats', schemas.modelStatistics],
      ['/v2/health/ready', schemas.ready],
      ['/v2/repository/index', schemas.repositoryIndex, ''],
      ['/v2/models/tiny/infer', schemas.inferAnswer, inferJson(constantInputs(2))],
      ['/predict', schemas.predictAnswer, JSON.stringify(predictBody(constantInputs(2)))],
      ['/predict', schemas.errorAnswer, '{'],
    ];
    for (const [path, schema, body] of answers) {
      const { json } = await ask(tiny.url + path, body === undefined ? {} : { body });
      expect([path, schema.safeParse(json).error]).toEqual([path, undefined]);
    }
  },
);

test.skipIf(isCpp)('the page of the API fetches nothing from elsewhere', async () => {
  const { bytes, headers } = await ask(`${tiny.url}/docs`);
  expect(headers['content-type']).toMatch('text/html');
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect(bytes.toString()).toContain('/v2/models/{model}/infer');
  expect(bytes.toString()).not.toMatch(/src=|https?:/);
});
