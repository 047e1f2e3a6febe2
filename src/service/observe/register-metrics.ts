// The metrics of one engine in a registry of one's own.
import { Gauge, type Registry } from 'prom-client';
import type { TFTEngine } from '../../engine.js';
import { registerEngineMetrics } from './engine-metrics.js';
import { addTotals } from './totals.js';

/** Options of {@link registerMetrics}. */
export interface RegisterMetricsOptions {
  /** The label `model`; the name in model.json by default. */
  model?: string | undefined;
  /** The label `version`; '1' by default. */
  version?: string | undefined;
}

/**
 * Registers an engine's metrics under Triton's names, `tft_inference_duration_seconds`, `tft_batch_series` and
 * `tft_model_info`. They are read from the engine at each scrape and cost nothing between.
 */
export function registerMetrics(
  engine: TFTEngine,
  registry: Registry,
  { model = engine.model.name, version = '1' }: RegisterMetricsOptions = {},
): void {
  registerEngineMetrics(registry, {
    versions: () => [{ name: model, version, totals: addTotals(undefined, engine.counters()), invalid: 0 }],
  });
  const { backend, device, precision } = engine.info;
  new Gauge({
    name: 'tft_model_info',
    help: 'The served model and its backend; the value is always 1.',
    labelNames: ['model', 'version', 'backend', 'device', 'precision'],
    registers: [registry],
  }).set({ model, version, backend, device, precision }, 1);
}
