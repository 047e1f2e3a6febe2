// The engine's totals under Triton's names and labels, so that dashboards made for Triton work.
// See https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
import { Counter, Gauge, type Registry } from 'prom-client';
import type { EngineCounters } from '../../batching/counters.js';
import type { ModelHost, ServedModel } from '../model-host.js';
import { registerEngineHistograms } from './engine-histograms.js';
import { addTotals, type Totals, type TotalsSource, type VersionTotals } from './totals.js';

/** Computes a metric's value from the totals of one model version. */
interface EngineMetric {
  readonly name: string;
  readonly help: string;
  readonly value: (total: (key: keyof Totals['numbers']) => number) => number;
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
export class EngineTotals implements TotalsSource {
  readonly #host: () => ModelHost;
  /** By version: the sums of closed engines. */
  readonly #gone = new Map<string, Totals>();
  readonly #names = new Map<string, string>();
  /** By version: the number of invalid requests. */
  readonly #invalid = new Map<string, number>();
  #current: readonly VersionTotals[] | undefined;

  constructor(host: () => ModelHost) {
    this.#host = host;
  }

  /** Adds the final counters of a closed engine. */
  keep(model: ServedModel, counters: EngineCounters): void {
    this.#gone.set(model.version, addTotals(this.#gone.get(model.version), counters));
    this.#names.set(model.version, model.name);
  }

  /** Counts a request for this model that did not reach the engine. */
  countInvalid(model: ServedModel): void {
    this.#invalid.set(model.version, (this.#invalid.get(model.version) ?? 0) + 1);
  }

  /** The sums of each version over closed engines, those that are finishing, and the current one: made once a scrape. */
  versions(): readonly VersionTotals[] {
    if (this.#current === undefined) {
      this.#current = this.#sum();
      // A scrape asks all metrics in one turn.
      queueMicrotask(() => {
        this.#current = undefined;
      });
    }
    return this.#current;
  }

  #sum(): VersionTotals[] {
    const sums = new Map(this.#gone);
    const names = new Map(this.#names);
    for (const { engine, version, name } of this.#host().live) {
      sums.set(version, addTotals(sums.get(version), engine.counters()));
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

/** Registers Triton's metrics and the histograms of durations and batches. Their values are read at each scrape. */
export function registerEngineMetrics(registry: Registry, engineTotals: TotalsSource): void {
  registerEngineHistograms(registry, engineTotals);
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
            const now = value((key) => totals.numbers[key] ?? 0);
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

/** The number of waiting requests: the open requests, but not more than series wait. */
function pendingRequests({ numbers }: Totals): number {
  const of = (key: keyof Totals['numbers']) => numbers[key] ?? 0;
  const open = of('accepted') - of('succeeded') - of('failed') - of('cancelled') - of('expired');
  return Math.max(0, Math.min(open, of('waitingServers')));
}
