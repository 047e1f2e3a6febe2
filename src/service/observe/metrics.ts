// All metrics at /metrics: the engine's under Triton's names, the service's own, and the process's.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ByteBudget } from '../admission/budget.js';
import type { Connections } from '../http/connections.js';
import type { ModelHost } from '../model-host.js';
import { EngineTotals, registerEngineMetrics } from './engine-metrics.js';
import { gpuStatusReader, registerGpuMetrics } from './gpu-metrics.js';

/** Seconds between samples of the event loop's delay. */
const SAMPLE_SECONDS = 0.02;

/** Gauges of prom-client with names that Prometheus's rules reserve for counters. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Prometheus accepts both formats, with weights. */
function prefersOpenMetrics(accept = ''): boolean {
  const weight = (type: string) =>
    Math.max(
      0,
      ...accept.split(',').map((item) => {
        const [name, ...parameters] = item.split(';').map((part) => part.trim());
        const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
        return name === type ? Number(quality ?? 1) || 0 : 0;
      }),
    );
  return weight('application/openmetrics-text') > weight('text/plain');
}

/**
 * A counter's family is called without `_total` there, and the text has an end. Triton's counters have no `_total` and must
 * keep their names, or no dashboard finds them: to OpenMetrics they are of unknown type.
 */
function toOpenMetrics(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const renamed = lines.map((line) => {
    const [, kind, family = '', type] = /^# (HELP|TYPE) (\S+) ?(.*)/.exec(line) ?? [];
    if (kind === undefined) return line;
    if (family.endsWith('_total')) return line.replace(family, family.slice(0, -'_total'.length));
    return kind === 'TYPE' && type === 'counter' ? `# TYPE ${family} unknown` : line;
  });
  return `${renamed.join('\n')}\n# EOF\n`;
}

let ofProcess: Registry | undefined;

/**
 * The metrics of the process, one set for all services in it: what collects them cannot be stopped, and would keep every
 * service that was ever stopped.
 */
function processRegistry(): Registry {
  if (ofProcess === undefined) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
    for (const name of MISNAMED) ofProcess.removeSingleMetric(name);
  }
  return ofProcess;
}

/** The service's metrics, and the places where they are counted. */
export class Metrics {
  readonly registry = new Registry();
  readonly engine: EngineTotals;
  readonly #requests: Counter<'route' | 'method' | 'status'>;
  readonly #durations: Histogram<'route'>;
  readonly #refusals: Counter<'code'>;
  readonly #timer: NodeJS.Timeout;

  constructor(
    host: () => ModelHost,
    budget: ByteBudget,
    connections: Connections,
    droppedLines: () => number,
  ) {
    const registers = [this.registry];
    this.engine = new EngineTotals(host);
    registerEngineMetrics(this.registry, this.engine);
    // It measures from now on.
    processRegistry();
    const readGpus = gpuStatusReader();
    if (readGpus) void registerGpuMetrics(this.registry, readGpus).catch(() => {});

    this.#requests = new Counter({
      name: 'tft_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['route', 'method', 'status'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'tft_http_request_duration_seconds',
      help: 'Time from the headers of a request to the end of its answer.',
      labelNames: ['route'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#refusals = new Counter({
      name: 'tft_http_refusals_total',
      help: 'HTTP requests refused, by the code in the answer.',
      labelNames: ['code'],
      registers,
    });
    const delays = new Histogram({
      name: 'tft_event_loop_delay_seconds',
      help: 'Delay of timers on the event loop.',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
      registers,
    });
    let due = performance.now() + SAMPLE_SECONDS * 1000;
    this.#timer = setInterval(() => {
      const now = performance.now();
      delays.observe(Math.max(0, now - due) / 1000);
      due = now + SAMPLE_SECONDS * 1000;
    }, SAMPLE_SECONDS * 1000).unref();

    const gauge = (name: string, help: string, value: () => number | Promise<number>) =>
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          this.set(await value());
        },
      });
    gauge('tft_http_connections', 'Open connections.', () => connections.count);
    gauge('tft_http_in_flight_bytes', 'Bytes of requests and responses in progress.', () => budget.used);
    gauge(
      'tft_http_in_flight_limit_bytes',
      'The limit of these bytes, beyond which requests are refused.',
      () => budget.limit,
    );
    gauge('tft_ready', '1 when requests are served, else 0.', () => (host().state.phase === 'ready' ? 1 : 0));
    const current = () => host().current?.engine;
    gauge('tft_queue_servers', 'Series that wait to run.', () => current()?.counters().waitingServers ?? 0);
    gauge('tft_queue_limit_servers', 'The limit of series that wait.', () => current()?.info.queueLimit ?? 0);
    gauge(
      'tft_running_batches',
      'Batches that are running.',
      () => current()?.counters().runningBatches ?? 0,
    );
    let reported = 0;
    new Counter({
      name: 'tft_log_lines_dropped_total',
      help: 'Lines of the log that could not be written.',
      registers,
      collect() {
        const dropped = droppedLines();
        this.inc(dropped - reported);
        reported = dropped;
      },
    });
    new Gauge({
      name: 'tft_model_info',
      help: 'The served model and its backend; the value is always 1.',
      labelNames: ['model', 'version', 'backend', 'device', 'precision'],
      registers,
      collect() {
        this.reset();
        const model = host().current;
        if (model === undefined) return;
        const { backend, device, precision } = model.engine.info;
        this.set({ model: model.name, version: model.version, backend, device, precision }, 1);
      },
    });
  }

  /** Counts an answered request. */
  answered(route: string, method: string, status: number, seconds: number): void {
    this.#requests.inc({ route, method, status: String(status) });
    this.#durations.observe({ route }, seconds);
  }

  /** Counts a refused request. */
  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  /**
   * All metrics as text: in Prometheus's format, or in OpenMetrics' if the client prefers it.
   *
   * @param accept the header.
   */
  async exposition(accept: string | undefined): Promise<{ type: string; text: string }> {
    const text = `${await this.registry.metrics()}\n${await processRegistry().metrics()}`;
    if (!prefersOpenMetrics(accept)) return { type: this.registry.contentType, text };
    return { type: Registry.OPENMETRICS_CONTENT_TYPE, text: toOpenMetrics(text) };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
