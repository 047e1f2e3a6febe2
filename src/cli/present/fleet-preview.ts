// Formats the result of a mapping preview as text.
import type { PrometheusPreview } from '../../fleet/index.js';
import { plainTable } from './plain-table.js';

const MAX_SERVERS = 20;
const HEAD = ['metric', 'unit', 'servers', 'least / middle / largest', 'from'];
const ALIGN = ['left', 'left', 'right', 'left', 'left'] as const;

export function previewText(url: string, { servers, metrics, incomplete }: PrometheusPreview): string {
  const shown = servers.slice(0, MAX_SERVERS).join(', ');
  const more = servers.length > MAX_SERVERS ? ` and ${servers.length - MAX_SERVERS} more` : '';
  const rows = metrics.map(({ metric, unit, from, servers: count, values }) => [
    metric,
    unit,
    String(count),
    values === undefined ? '-' : values.map((value) => Number(value.toPrecision(3))).join(' / '),
    from,
  ]);
  const withoutForecast = incomplete
    .slice(0, MAX_SERVERS)
    .map(({ server, missing }) => `${server} cannot be forecast: it has no ${missing.join(', ')}\n`);
  return [
    `${url}: ${servers.length} server${servers.length === 1 ? '' : 's'}${servers.length > 0 ? `: ${shown}${more}` : ''}\n\n`,
    ...plainTable(HEAD, rows, ALIGN).map((line) => `${line}\n`),
    '\n',
    ...withoutForecast,
  ].join('');
}
