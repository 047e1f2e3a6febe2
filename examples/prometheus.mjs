// Asks Prometheus for the last day of node_exporter's metrics and forecasts every instance: node prometheus.mjs URL
import { FleetHistory, TFTEngine } from 'tft-tensorrt';

const url = process.argv[2] ?? 'http://localhost:9090';

/** By metric of the demo model, what gives it by instance. What is not measured here is a constant. */
const cpu = (mode) => `100 * avg by (instance) (rate(node_cpu_seconds_total{mode="${mode}"}[5m]))`;
const QUERIES = {
  cpu_user_pct: cpu('user'),
  cpu_sys_pct: cpu('system'),
  cpu_iowait_pct: cpu('iowait'),
  cpu_idle_pct: cpu('idle'),
  java_cpu_pct: 0,
  mem_used_pct: '100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)',
  swap_used_pct: '100 * (1 - node_memory_SwapFree_bytes / (node_memory_SwapTotal_bytes > 0))',
  disk_usage_pct:
    '100 * (1 - node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"})',
  net_in_mb_s: 'sum by (instance) (rate(node_network_receive_bytes_total{device!="lo"}[5m])) / 1e6',
  net_out_mb_s: 'sum by (instance) (rate(node_network_transmit_bytes_total{device!="lo"}[5m])) / 1e6',
  back_close_wait: 0,
  front_close_wait: 0,
  load_average: 'node_load1',
  uptime_days: '(time() - node_boot_time_seconds) / 86400',
};
/** Metrics that many machines do not have at all, such as swap. */
const ELSE = { swap_used_pct: 0 };

const engine = await TFTEngine.load('demo');
const { encoderLength, stepMinutes, metrics } = engine.model;
const step = stepMinutes * 60;
const end = Math.floor(Date.now() / 1000 / step) * step;
const start = end - (encoderLength - 1) * step;

/** By instance and time in seconds, the values of one metric. */
async function ask(query) {
  const search = new URLSearchParams({ query, start, end, step });
  const response = await fetch(`${url}/api/v1/query_range?${search}`);
  const { status, data, error } = await response.json();
  if (status !== 'success') throw new Error(`${query}: ${error}`);
  return new Map(data.result.map(({ metric, values }) => [metric.instance, new Map(values)]));
}

const answers = new Map();
for (const [name, query] of Object.entries(QUERIES)) {
  answers.set(name, typeof query === 'number' ? query : await ask(query));
}

const history = new FleetHistory(engine.model);
for (const instance of answers.get('cpu_user_pct').keys()) {
  for (let time = start; time <= end; time += step) {
    const measured = ({ name }) => {
      const answer = answers.get(name);
      const text = typeof answer === 'number' ? answer : (answer.get(instance)?.get(time) ?? ELSE[name]);
      return [name, text === undefined ? null : Number(text)];
    };
    history.add({
      timestamp: time * 1000,
      server_name: instance,
      metrics: Object.fromEntries(metrics.map(measured)),
    });
  }
}

const forecast = await engine.forecast(history);
for (const { message } of forecast.warnings) console.error(`warning: ${message}`);
for (const { server, message } of forecast.refused) console.error(`${server}: ${message}`);
for (const one of forecast) {
  const high = one.quantile(0.9);
  console.log(
    `${one.server}: ${one.now.toFixed(1)} % now, up to ${Math.max(...high).toFixed(1)} % in the next 8 hours`,
  );
}
await engine.close();
