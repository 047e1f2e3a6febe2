// The engine's totals under Triton's names and labels, so that dashboards made for Triton work.
// See https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
import { Counter, Gauge, type Registry } from 'prom-client';
import type { EngineCounters } from '../../batching/counters.js';
import type { ModelHost, ServedModel } from '../model-host.js';

type Totals = Partial<Record<keyof EngineCounters, number>>;

/** Computes a metric's value from the totals of one model version. */
interface EngineMetric {
  readonly name: string;
  readonly help: string;
  readonly value: (total: (key: keyof EngineCounters) => number) => number;
  readonly labels?: Readonly<Record<string, string>>;
}

const TRITON: readonly EngineMetric[] = [
  {
    name: 'nv_inference_request_success',
    help: 'Number of successful inference requests, all batch sizes',
    value: (total) => total('succeeded'),
  },
  {
    name: 'nv_inference_request_failure',
    help: 'Number of failed inference requests, all batch sizes',
    labels: { reason: 'REJECTED' },
    value: (total) => total('refused') + total('expired'),
  },
  {
    name: 'nv_inference_request_failure',
    help: '',
    labels: { reason: 'CANCELED' },
    value: (total) => total('cancelled'),
  },
  {
    name: 'nv_inference_request_failure',
    help: '',
    labels: { reason: 'BACKEND' },
    value: (total) => total('failed'),
  },
  {
    name: 'nv_inference_count',
    help: 'Number of inferences performed (does not include cached requests)',
    value: (total) => total('servers'),
  },
  {
    name: 'nv_inference_exec_count',
    help: 'Number of model executions performed (does not include cached requests)',
    value: (total) => total('batches'),
  },
  {
    name: 'nv_inference_request_duration_us',
    help: 'Cumulative inference request duration in microseconds (includes cached requests)',
    value: (total) =>
      total('queueMicroseconds') +
      total('inputMicroseconds') +
      total('inferMicroseconds') +
      total('outputMicroseconds'),
  },
  {
    name: 'nv_inference_queue_duration_us',
    help: 'Cumulative inference queuing duration in microseconds (includes cached requests)',
    value: (total) => total('queueMicroseconds'),
  },
  {
    name: 'nv_inference_compute_input_duration_us',
    help: 'Cumulative compute input duration in microseconds (does not include cached requests)',
    value: (total) => total('inputMicroseconds'),
  },
  {
    name: 'nv_inference_compute_infer_duration_us',
    help: 'Cumulative compute inference duration in microseconds (does not include cached requests)',
    value: (total) => total('inferMicroseconds'),
  },
  {
    name: 'nv_inference_compute_output_duration_us',
    help: 'Cumulative inference compute output duration in microseconds (does not include cached requests)',
    value: (total) => total('outputMicroseconds'),
  },
];

/** Totals by model version: what engines counted, also those closed since, and requests that never reached one. */
export class EngineTotals {
  readonly #host: () => ModelHost;
  /** By version: the sums of closed engines. */
  readonly #gone = new Map<string, Totals>();
  readonly #names = new Map<string, string>();
  /** By version: the number of invalid requests. */
  readonly #invalid = new Map<string, number>();

  constructor(host: () => ModelHost) {
    this.#host = host;
  }

  /** Adds the final counters of a closed engine. */
  keep(model: ServedModel, counters: EngineCounters): void {
    this.#gone.set(model.version, add(this.#gone.get(model.version) ?? {}, counters));
    this.#names.set(model.version, model.name);
  }

  /** Counts a request for this model that did not reach the engine. */
  countInvalid(model: ServedModel): void {
    this.#invalid.set(model.version, (this.#invalid.get(model.version) ?? 0) + 1);
  }

  /** The sums of each version over closed engines, those that are finishing, and the current one. */
  versions(): { name: string; version: string; totals: Totals; invalid: number }[] {
    const sums = new Map(this.#gone);
    const names = new Map(this.#names);
    for (const { engine, version, name } of this.#host().live) {
      sums.set(version, add(sums.get(version) ?? {}, engine.counters()));
      names.set(version, name);
    }
    return [...sums].map(([version, totals]) => ({
      name: names.get(version) ?? '',
      version,
      totals,
      invalid: this.#invalid.get(version) ?? 0,
    }));
  }
}

/** Registers Triton's metrics. Their values are read at each scrape. */
export function registerEngineMetrics(registry: Registry, engineTotals: EngineTotals): void {
  const labelNames = ['model', 'version'];
  for (const name of new Set(TRITON.map((metric) => metric.name))) {
    const metrics = TRITON.filter((metric) => metric.name === name);
    const isFailure = metrics.some(({ labels }) => labels);
    new Counter({
      name,
      help: metrics[0]?.help ?? name,
      labelNames: isFailure ? [...labelNames, 'reason'] : labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { name: model, version, totals, invalid } of engineTotals.versions()) {
          for (const { value, labels } of metrics) {
            const now = value((key) => totals[key] ?? 0);
            this.inc({ model, version, ...labels }, Math.round(now));
          }
          if (isFailure) this.inc({ model, version, reason: 'OTHER' }, invalid);
        }
      },
    });
  }
  new Gauge({
    name: 'nv_inference_pending_request_count',
    help: 'Instantaneous number of pending requests awaiting execution per-model',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { name: model, version, totals } of engineTotals.versions()) {
        this.set({ model, version }, pendingRequests(totals));
      }
    },
  });
}

/** The number of waiting requests: those under way, but not more than series wait. */
function pendingRequests(totals: Totals): number {
  const of = (key: keyof EngineCounters) => totals[key] ?? 0;
  const open = of('accepted') - of('succeeded') - of('failed') - of('cancelled') - of('expired');
  return Math.max(0, Math.min(open, of('waitingServers')));
}

function add(sum: Totals, counters: EngineCounters): Totals {
  const next: Totals = { ...sum };
  for (const [key, value] of Object.entries(counters) as [keyof EngineCounters, unknown][]) {
    if (typeof value === 'number') next[key] = (next[key] ?? 0) + value;
  }
  return next;
}
