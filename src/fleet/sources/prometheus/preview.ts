// Tries a mapping on a Prometheus before the daemon runs on it.
import type { FleetModel } from '../../memory/shape.js';
import type { PrometheusClient } from './client.js';
import { fetchSteps } from './fetch-steps.js';
import type { PrometheusMapping } from './mapping.js';

export interface PreviewedMetric {
  readonly metric: string;
  readonly unit: string;
  /** Its source: the query, or 'constant 0'. */
  readonly from: string;
  /** The number of servers with a value. */
  readonly servers: number;
  /** Over those servers, the newest values: the least, the middle and the largest. */
  readonly values: readonly [number, number, number] | undefined;
}

export interface PrometheusPreview {
  readonly servers: readonly string[];
  readonly metrics: readonly PreviewedMetric[];
  /** Servers that cannot be forecast because metrics are missing, with these metrics. */
  readonly incomplete: readonly { readonly server: string; readonly missing: readonly string[] }[];
}

/** Reads the three steps up to now. @throws Error as the client does. */
export async function previewPrometheus(
  client: PrometheusClient,
  mapping: PrometheusMapping,
  model: FleetModel,
  now = Date.now(),
): Promise<PrometheusPreview> {
  const stepMs = model.stepMinutes * 60_000;
  const last = Math.floor(now / stepMs - 0.5);
  const { servers, series } = await fetchSteps(client, mapping, model, last - 2, last, {
    shiftMs: now - (last + 0.5) * stepMs,
  });
  const width = model.metrics.length;
  const newest = (values: Float32Array, metric: number) => {
    for (let at = values.length - width + metric; at >= 0; at -= width) {
      if (!Number.isNaN(values[at])) return values[at] as number;
    }
    return undefined;
  };
  const metrics = model.metrics.map(({ name, unit }, index): PreviewedMetric => {
    const rule = mapping.metrics[name];
    const found = [...servers.values()]
      .flatMap(({ values }) => newest(values, index) ?? [])
      .sort((a, b) => a - b);
    const at = (share: number) => found[Math.round(share * (found.length - 1))] as number;
    return {
      metric: name,
      unit,
      from: rule?.query ?? `constant ${String(rule?.constant)}`,
      servers: rule?.query === undefined ? servers.size : (series[index] as number),
      values: found.length === 0 ? undefined : [at(0), at(0.5), at(1)],
    };
  });
  const incomplete = [...servers].flatMap(([server, { values }]) => {
    const missing = model.metrics.flatMap(({ name }, index) =>
      newest(values, index) === undefined ? [name] : [],
    );
    return missing.length === 0 ? [] : [{ server, missing }];
  });
  return { servers: [...servers.keys()].sort(), metrics, incomplete };
}
