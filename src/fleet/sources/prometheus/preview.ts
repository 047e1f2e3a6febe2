// What a mapping finds in a Prometheus, before the daemon runs on it.
import type { FleetModel } from '../../memory/shape.js';
import type { PrometheusClient } from './client.js';
import { fetchSteps } from './fetch-steps.js';
import type { PrometheusMapping } from './mapping.js';

export interface PreviewedMetric {
  readonly metric: string;
  readonly unit: string;
  /** What gives it; a constant as 'constant 0'. */
  readonly from: string;
  /** Servers that it was found for. */
  readonly servers: number;
  /** Over those servers, the newest values: the least, the middle and the largest. */
  readonly values: readonly [number, number, number] | undefined;
}

export interface PrometheusPreview {
  readonly servers: readonly string[];
  readonly metrics: readonly PreviewedMetric[];
  /** Servers that lack a metric, and so cannot be forecast, with what they lack. */
  readonly incomplete: readonly { readonly server: string; readonly lacks: readonly string[] }[];
}

/** Looks at the three steps up to now. @throws Error as the client. */
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
    const lacks = model.metrics.flatMap(({ name }, index) =>
      newest(values, index) === undefined ? [name] : [],
    );
    return lacks.length === 0 ? [] : [{ server, lacks }];
  });
  return { servers: [...servers.keys()].sort(), metrics, incomplete };
}
