// Queries some steps of all servers, and joins the answers to the mapping's queries into records.
//
// A step is the mean over the time from half a step before its multiple to half a step after it. Queries are evaluated at the
// end of that time, where `rate(…[$step])` and `avg_over_time(…[$step])` cover exactly it.
import type { FleetModel } from '../../memory/shape.js';
import type { PrometheusClient, RangeSeries } from './client.js';
import type { CategoryRule, PrometheusMapping } from './mapping.js';

/** The records of one server. */
export interface FetchedServer {
  /** `[steps][metrics]`, NaN where no value was found. */
  readonly values: Float32Array;
  /** In the model's order. */
  readonly categories: (string | undefined)[];
  /** By step, whether any query returned a value. */
  readonly found: Uint8Array;
}

export interface FetchedSteps {
  readonly from: number;
  readonly to: number;
  readonly servers: ReadonlyMap<string, FetchedServer>;
  /** By metric, the number of servers that a query returned. */
  readonly series: readonly number[];
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** How much later than the ends of steps queries are evaluated: for a preview of the present data. */
  readonly shiftMs?: number | undefined;
}

/** The number of queries in flight. */
const AT_ONCE = 4;

/** Queries the steps from `from` to `to`, both included. @throws Error as the client does. */
export async function fetchSteps(
  client: PrometheusClient,
  mapping: PrometheusMapping,
  model: FleetModel,
  from: number,
  to: number,
  { signal, shiftMs = 0 }: FetchOptions = {},
): Promise<FetchedSteps> {
  const stepMs = model.stepMinutes * 60_000;
  const width = model.metrics.length;
  const servers = new Map<string, FetchedServer>();
  const series = new Array<number>(width).fill(0);
  const endOf = (step: number) => (step + 0.5) * stepMs + shiftMs;
  const range = { from: endOf(from), to: endOf(to), step: stepMs };
  const ask = (query: string) => client.range(query.replaceAll('$step', `${stepMs / 1000}s`), range, signal);
  const serverOf = (labels: RangeSeries['labels']): FetchedServer | undefined => {
    const name = labels[mapping.server];
    if (name === undefined || name === '') return undefined;
    let server = servers.get(name);
    if (server === undefined) {
      server = {
        values: new Float32Array((to - from + 1) * width).fill(Number.NaN),
        categories: model.categories.map(() => undefined),
        found: new Uint8Array(to - from + 1),
      };
      servers.set(name, server);
    }
    return server;
  };
  const metric = async (index: number, query: string) => {
    for (const { labels, values } of await ask(query)) {
      const server = serverOf(labels);
      if (server === undefined) continue;
      series[index] = (series[index] as number) + 1;
      for (const [seconds, text] of values) {
        const step = Math.round((seconds * 1000 - endOf(from)) / stepMs);
        const value = Number(text);
        if (step < 0 || step > to - from || !Number.isFinite(value)) continue;
        server.values[step * width + index] = value;
        server.found[step] = 1;
      }
    }
  };
  const work = model.metrics.flatMap(({ name }, index) => {
    const query = mapping.metrics[name]?.query;
    return query === undefined ? [] : [() => metric(index, query)];
  });
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = work.shift(); next !== undefined; next = work.shift()) await next();
    }),
  );
  fillAbsent(servers, mapping, model);
  for (const name of ['profile', 'status'] as const) {
    const index = model.categories.findIndex((category) => category.name === name);
    const rule = mapping[name];
    if (index >= 0 && rule !== undefined) await category(index, rule);
  }
  return { from, to, servers, series };

  async function category(index: number, rule: CategoryRule): Promise<void> {
    for (const server of servers.values()) server.categories[index] = rule.constant;
    if (rule.query === undefined || rule.label === undefined) return;
    for (const { labels } of await ask(rule.query)) {
      const server = servers.get(labels[mapping.server] ?? '');
      if (server !== undefined) server.categories[index] = labels[rule.label];
    }
  }
}

/** Fills constants and defaults, in each step for which any query returned a value. */
function fillAbsent(
  servers: ReadonlyMap<string, FetchedServer>,
  mapping: PrometheusMapping,
  model: FleetModel,
): void {
  const width = model.metrics.length;
  const instead = model.metrics.map(({ name }) => {
    const rule = mapping.metrics[name];
    return rule?.constant ?? rule?.absent;
  });
  for (const { values, found } of servers.values()) {
    for (let step = 0; step < found.length; step++) {
      if (found[step] === 0) continue;
      for (const [index, value] of instead.entries()) {
        const at = step * width + index;
        if (value !== undefined && Number.isNaN(values[at])) values[at] = value;
      }
    }
  }
}
